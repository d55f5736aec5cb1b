// Metadata of configuration, and what the mesh knows of the peer in the place of Envoy's filter state.
import type { RecordMetadata, RequestRecord } from '../request-record.ts';
import type { LogValue, Operator, OperatorContext } from './log-value.ts';

const SOURCES: Readonly<Record<string, keyof RecordMetadata>> = {
  ROUTE: 'route',
  CLUSTER: 'cluster',
  UPSTREAM_HOST: 'host',
};
/** No filter here sets dynamic metadata, and listeners' and virtual hosts' are not kept. */
const EMPTY_SOURCES = new Set(['DYNAMIC', 'LISTENER', 'LISTENER_FILTER_CHAIN', 'VIRTUAL_HOST']);

/** @returns undefined for what is none, or names no source and namespace. */
export function metadataOperator(
  name: string,
  argument: string | undefined,
  { wanted }: OperatorContext,
): Operator | undefined {
  const from = sourceOf(name, argument ?? '');
  if (from === undefined) return undefined;
  const [source, [namespace = '', ...keys]] = from;
  if (namespace === '') return undefined;
  if (EMPTY_SOURCES.has(source)) return () => undefined;
  const which = SOURCES[source];
  if (which === undefined) return undefined;
  wanted.wantAspect('metadata');
  return ({ metadata }) => {
    let value: unknown = metadata?.[which]?.[namespace];
    for (const key of keys) value = isObject(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
    return printable(value);
  };
}

function sourceOf(name: string, argument: string): readonly [source: string, path: readonly string[]] | undefined {
  const path = argument.split(':');
  switch (name) {
    case 'METADATA':
      return [path[0] ?? '', path.slice(1)];
    case 'CLUSTER_METADATA':
      return ['CLUSTER', path];
    case 'UPSTREAM_METADATA':
      return ['UPSTREAM_HOST', path];
    case 'DYNAMIC_METADATA':
      return ['DYNAMIC', path];
    default:
      return undefined;
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function printable(value: unknown): LogValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return isObject(value) ? value : undefined;
}

// Istio's names for the parts of "name;namespace;canonical service;canonical revision;cluster".
const PEER_FIELDS = ['workload', 'namespace', 'service', 'revision', 'cluster'] as const;
const PEERS: Readonly<Record<string, (record: RequestRecord) => string>> = {
  downstream_peer: ({ sourceWorkload }) => sourceWorkload,
  upstream_peer: ({ direction, destinationWorkload }) => (direction === 'inbound' ? '' : destinationWorkload),
};

/** `FILTER_STATE(KEY:F:FIELD)`: other state than of peers is not kept. @returns undefined when it is not written so. */
export function filterState(argument: string | undefined): Operator | undefined {
  const [key = '', form = 'TYPED', field = ''] = (argument ?? '').split(':');
  if (key === '' || !['PLAIN', 'TYPED', 'FIELD'].includes(form) || (form === 'FIELD') !== (field !== ''))
    return undefined;
  const read = Object.hasOwn(PEERS, key) ? PEERS[key] : undefined;
  if (read === undefined) return () => undefined;
  if (form === 'PLAIN') return (record) => read(record) || undefined;
  return (record) => {
    const text = read(record);
    if (text === '') return undefined;
    const parts = text.split(';');
    const known = PEER_FIELDS.flatMap((name, i) => (parts[i] ? [[name, parts[i]] as const] : []));
    if (form === 'TYPED') return Object.fromEntries(known);
    return known.find(([name]) => name === field)?.[1];
  };
}
