import { isIPv4, isIPv6 } from 'node:net';
import { type ParsedHeader, parseProxyHeader, writeProxyHeader } from '../../../proxy-protocol/header.ts';
import { type FuzzTarget, must, mustEqual } from '../fuzz-target.ts';
import { randomOf } from '../pieces.ts';

const MAX_BYTES = 512;
const MAX_V1_BYTES = 107;
const V1 = /^PROXY (?:UNKNOWN(?: .*)?|(TCP[46]) (\S+) (\S+) (\d{1,5}) (\d{1,5}))$/s;

export function proxyProtocol(): FuzzTarget {
  return {
    name: 'proxy-protocol',
    maxBytes: MAX_BYTES,
    dictionary: [
      'PROXY TCP4 ', 'PROXY TCP6 ', 'PROXY UNKNOWN', '1.2.3.4', '::1', '::ffff:1.2.3.4', '65535', '65536', '0', '00', '\r\n', ' ', '127.0.0.1 ', 'fe80::1%a',
      '\r\n\r\n\0\r\nQUIT\n', '\x21', '\x20', '\x11', '\x21\x11\0\x0c', '\x21\x21\0\x24', '\x12', '\x31', '\0\0', '\x10\0',
    ].map((text) => Buffer.from(text, 'latin1')), // prettier-ignore
    run(input) {
      const random = randomOf(input);
      const whole = parseProxyHeader(input);
      const verdict = show(whole);
      // Fewer bytes never tell anything else, only less.
      const step = input.length < 40 ? 1 : 1 + random.int(input.length);
      for (let end = random.int(step); end < input.length; end += step) {
        const part = parseProxyHeader(input.subarray(0, end));
        if (part !== 'more' && !(end === 0 && part === 'none')) mustEqual(show(part), verdict, `${end} bytes tell`);
      }
      if (typeof whole !== 'string') check(input, whole);
      return verdict.replaceAll(/[1-9a-f]+/g, 'x');
    },
  };
}

const show = (parsed: ParsedHeader): string => JSON.stringify(parsed);

function check(input: Buffer, { version, length, client }: Exclude<ParsedHeader, string>): void {
  must(length <= input.length, 'a header longer than its bytes');
  if (version === 1) {
    const text = input.toString('latin1', 0, length);
    must(length <= MAX_V1_BYTES && text.indexOf('\r\n') === length - 2, 'a line that does not end where it should');
    const [, protocol, from, to, fromPort, toPort] = V1.exec(text.slice(0, -2)) ?? [];
    const told = client === undefined ? '' : `${client.source.address} ${client.destination.address} ${client.source.port} ${client.destination.port}`; // prettier-ignore
    mustEqual(told, protocol === undefined ? '' : `${from} ${to} ${fromPort} ${toPort}`, 'version 1');
  } else {
    mustEqual(String(length), String(16 + input.readUInt16BE(14)), 'length of version 2');
    const family = (input[13] ?? 0) >> 4;
    const told = input[12] === 0x21 && (family === 1 || family === 2);
    must(told === (client !== undefined), 'a client that was not told, or one that was');
  }
  if (client === undefined) return;
  const { source, destination } = client;
  const isAddress = isIPv4(source.address) ? isIPv4 : isIPv6;
  for (const { address, port } of [source, destination])
    must(isAddress(address) && port >= 0 && port <= 65_535, `no address: ${address} ${port}`);
  for (const writtenAs of [1, 2] as const) {
    const again = parseProxyHeader(writeProxyHeader(writtenAs, source, destination));
    must(typeof again !== 'string' && again.client !== undefined, `what was read can not be written: ${show(again)}`);
    const twice = parseProxyHeader(writeProxyHeader(writtenAs, again.client.source, again.client.destination));
    mustEqual(show(twice), show(again), 'written and read');
    must(again.client.source.port === source.port && again.client.destination.port === destination.port, 'ports');
  }
}
