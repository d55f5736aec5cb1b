// Addresses in their forms: whole, without port, of a network, the port alone.
import { isIP, isIPv6 } from 'node:net';
import type { RequestRecord } from '../request-record.ts';
import { type Operator, some } from './log-value.ts';

type ReadAddress = (record: RequestRecord) => string;

const direct = (address: string | undefined, port: number | undefined): string =>
  address === undefined || address === '' ? '' : `${address}:${port ?? 0}`;

const ADDRESSES: Readonly<Record<string, ReadAddress>> = {
  DOWNSTREAM_LOCAL: ({ downstreamLocalAddress }) => downstreamLocalAddress,
  DOWNSTREAM_DIRECT_LOCAL: ({ connection }) => direct(connection?.directLocalAddress, connection?.directLocalPort),
  // A port is not told there.
  DOWNSTREAM_REMOTE: ({ forwardedClient, downstreamRemoteAddress }) =>
    forwardedClient !== '' && isIP(forwardedClient) !== 0 ? `${forwardedClient}:0` : downstreamRemoteAddress,
  DOWNSTREAM_DIRECT_REMOTE: ({ connection }) => direct(connection?.directAddress, connection?.directPort),
  UPSTREAM_LOCAL: ({ upstreamLocalAddress }) => upstreamLocalAddress,
  UPSTREAM_REMOTE: ({ upstreamHost }) => upstreamHost,
};
const NAME = /^(.+?)_(ADDRESS|ADDRESS_WITHOUT_PORT|PORT)$/;

/** @returns undefined for what is no address, or a network that can not be. */
export function addressOperator(name: string, argument: string | undefined): Operator | undefined {
  const [, whose = '', form] = NAME.exec(name) ?? [];
  const read = Object.hasOwn(ADDRESSES, whose) ? ADDRESSES[whose] : undefined;
  if (read === undefined) return undefined;
  if (form === 'ADDRESS_WITHOUT_PORT' && argument !== undefined && argument !== '') return network(read, argument);
  if (argument !== undefined) return undefined;
  if (form === 'ADDRESS') return (record) => some(read(record));
  if (form === 'PORT') return (record) => portOf(read(record));
  return (record) => withoutPort(read(record));
}

export const withoutPort = (address: string): string | undefined =>
  some(address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));

export const portOf = (address: string): number | undefined => {
  const port = /:(\d+)$/.exec(address)?.[1];
  return port === undefined ? undefined : Number(port);
};

function network(read: ReadAddress, argument: string): Operator | undefined {
  const bits = /^\d{1,3}$/.test(argument) ? Number(argument) : -1;
  if (bits < 0 || bits > 128) return undefined;
  return (record) => {
    const address = withoutPort(read(record));
    if (address === undefined) return undefined;
    const bytes = bytesOf(address);
    if (bytes === undefined || bits > bytes.length * 8) return undefined;
    const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff);
    return `${textOf(masked)}/${bits}`;
  };
}

/** @returns undefined for what is no IP address. */
function bytesOf(address: string): number[] | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(address)) return address.split('.').map(Number);
  if (!isIPv6(address)) return undefined;
  const [head = '', tail] = address.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const [left, right] = [groups(head), tail === undefined ? [] : groups(tail)];
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - left.length - right.length }, () => 0);
  return [...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 0xff]);
}

function textOf(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
