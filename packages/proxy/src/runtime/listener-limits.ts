// What a listener says of connections beside Envoy's fields, as metadata of ours: `dev.weft`, key `connections`.
import { WEFT_METADATA } from '@weft/contracts';
import type { Listener as ListenerMessage } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import { type AddressWords, cidrTest, ConfigRejectedError } from '@weft/evaluator';
import type { ListenerLimits } from '../listeners/admission.ts';
import type { ClientLimits } from '../listeners/client-limits.ts';

/** Addresses behind which many may be: this machine, private networks, those of providers (RFC 6598), link-local. */
const SHARED = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
];

/** Far more than one household or office needs, far less than all. */
const EDGE_CLIENTS: ClientLimits = {
  maxConnections: 2_000,
  perSecond: 1_000,
  burst: 2_000,
  strikes: 10,
  strikeWindowMs: 10_000,
  refuseMs: 10_000,
  exempt: SHARED.map((text) => range(text, '')),
};
/** Of an address whose limits are given in part. */
const NO_LIMITS: ClientLimits = {
  ...EDGE_CLIENTS,
  maxConnections: Infinity,
  perSecond: Infinity,
  strikes: 0,
  exempt: [],
};

type Json = Readonly<Record<string, unknown>>;

/** @param edge anybody may call: clients have limits although nothing is said of them. @throws {ConfigRejectedError} */
export function listenerLimits(message: ListenerMessage, edge: boolean, resource: string): ListenerLimits {
  const where = `${resource}: metadata ${WEFT_METADATA}.connections`;
  const given = message.metadata?.filterMetadata[WEFT_METADATA]?.['connections'];
  if (given === undefined) return { maxConnections: Infinity, clients: edge ? EDGE_CLIENTS : undefined };
  const json = objectOf(given, where);
  const client = json['perAddress'];
  return {
    maxConnections: count(json, 'max', Infinity, where),
    clients: client !== undefined ? clientLimits(objectOf(client, where), where) : edge ? EDGE_CLIENTS : undefined,
  };
}

function clientLimits(json: Json, where: string): ClientLimits {
  const perSecond = count(json, 'perSecond', NO_LIMITS.perSecond, where);
  const exempt = json['exempt'] ?? [];
  if (!Array.isArray(exempt)) throw new ConfigRejectedError(where, 'exempt must be a list');
  return {
    maxConnections: count(json, 'max', NO_LIMITS.maxConnections, where),
    perSecond,
    burst: count(json, 'burst', perSecond, where),
    strikes: count(json, 'strikes', NO_LIMITS.strikes, where),
    strikeWindowMs: count(json, 'strikeWindowMs', NO_LIMITS.strikeWindowMs, where),
    refuseMs: count(json, 'refuseMs', NO_LIMITS.refuseMs, where),
    exempt: exempt.map((text) => range(String(text), where)),
  };
}

function objectOf(value: unknown, where: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new ConfigRejectedError(where, 'must be an object');
}

function count(json: Json, key: string, fallback: number, where: string): number {
  const value = json[key] ?? fallback;
  if (value === fallback || (Number.isInteger(value) && (value as number) >= 1)) return value as number;
  throw new ConfigRejectedError(where, `${key} must be a whole number of 1 or more`);
}

function range(text: string, where: string): (address: AddressWords) => boolean {
  const [prefix = '', length = ''] = text.split('/');
  const test = /^\d{1,3}$/.test(length) ? cidrTest(prefix, Number(length)) : undefined;
  if (test === undefined) throw new ConfigRejectedError(where, `exempt: "${text}" is no address range`);
  return test;
}
