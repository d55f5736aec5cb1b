import { parseNodeId, XDS_TYPE } from '@weft/contracts';
import type { ConnectionRecord, TypeRecord } from '@weft/xds';
import { PUSH_ORDER, type ResourceKind } from '../generators/resource.ts';

/** What one proxy has and what it said of it, for `weft status` and the console. */
export interface ProxyStatus {
  readonly id: string;
  readonly workload: string;
  readonly namespace: string;
  /** Epoch milliseconds. */
  readonly connectedAt: number;
  readonly protocol: 'delta' | 'sotw';
  readonly types: Readonly<Partial<Record<ResourceKind, TypeStatus>>>;
  /** Something is on its way or was refused. */
  readonly stale: boolean;
}

export interface TypeStatus {
  /** Snapshot versions. */
  readonly sentVersion?: string;
  readonly ackedVersion?: string;
  readonly nack?: Nack;
  readonly resources: number;
  readonly state: 'SYNCED' | 'STALE' | 'NOT SENT' | 'ERROR';
}

export interface Nack {
  /** Names found in the proxy's own words; empty when it named none. */
  readonly resource: string;
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly version: string;
}

/** @param namesOf the resources that the proxy was given, to find the one that its reason is about. */
export function proxyStatusOf(
  connection: ConnectionRecord,
  namesOf: (kind: ResourceKind) => Iterable<string>,
): ProxyStatus {
  const node = parseNodeId(connection.node.id);
  const types: Partial<Record<ResourceKind, TypeStatus>> = {};
  for (const kind of PUSH_ORDER) {
    const record = connection.types.find((type) => type.typeUrl === XDS_TYPE[kind]);
    if (record) types[kind] = typeStatus(record, () => namesOf(kind));
  }
  return {
    id: connection.node.id,
    workload: node?.name ?? connection.node.id,
    namespace: node?.namespace ?? '',
    connectedAt: connection.connectedAt,
    protocol: connection.protocol,
    types,
    stale: Object.values(types).some((type) => type.state === 'STALE' || type.state === 'ERROR'),
  };
}

function typeStatus(record: TypeRecord, names: () => Iterable<string>): TypeStatus {
  const { sent, acked, nacked } = record;
  const nack =
    nacked && record.status === 'nacked'
      ? { resource: namedIn(nacked.message, names()), reason: nacked.message, at: nacked.at, version: nacked.version }
      : undefined;
  const state = nack ? 'ERROR' : sent === undefined ? 'NOT SENT' : record.status === 'synced' ? 'SYNCED' : 'STALE';
  return {
    ...(sent ? { sentVersion: sent.version } : {}),
    ...(acked ? { ackedVersion: acked.version } : {}),
    ...(nack ? { nack } : {}),
    resources: record.resources,
    state,
  };
}

/** The longest known name that the text contains. */
function namedIn(message: string, names: Iterable<string>): string {
  let found = '';
  for (const name of names) if (name.length > found.length && message.includes(name)) found = name;
  return found;
}
