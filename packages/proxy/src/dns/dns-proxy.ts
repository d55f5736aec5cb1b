/** Answers a workload's questions to DNS: names of the mesh from the control plane's table, the rest from another server. */
import {
  answer,
  answerAlone,
  isUnder,
  buildNameTable,
  type DnsQuery,
  EMPTY_NAMES,
  type NameTable,
  RCODE,
  truncatedReply,
  udpLimit,
  writeReply,
} from '@weft/capture/dns';
import type { Clock, Logger, Random } from '@weft/kit';
import type { NameTable as NameTableMessage } from '@weft/contracts/lean/istio/networking/nds/v1/nds';
import type { StatsSink } from '../ports.ts';
import type { OpenMarked } from '../sockets/native-sockets.ts';
import { type DnsListeners, openDnsListeners } from './dns-listeners.ts';
import { createDnsUpstream, type DnsUpstreamAddress } from './dns-upstream.ts';
import { entriesOf } from './name-entries.ts';

export interface DnsProxyDeps {
  readonly listen: { readonly host: string; readonly port: number };
  readonly fds?: { readonly datagrams: number; readonly stream: number };
  /** undefined: there is nobody to ask. */
  readonly upstream: DnsUpstreamAddress | undefined;
  /** Of the workload: names of its own namespace need no namespace. */
  readonly namespace: string;
  /** Names under it are the mesh's to deny. */
  readonly clusterDomain: string;
  /** There is no other server for that domain: what the mesh does not know in it is denied, not asked. */
  readonly authoritative?: boolean;
  readonly openMarked?: OpenMarked | undefined;
  readonly upstreamTimeoutMs?: number;
  readonly maxInFlight?: number;
  readonly stats: Pick<StatsSink, 'counter' | 'gauge' | 'add' | 'set'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface DnsProxy {
  /** Begins to answer. @returns the address. @throws {WeftError} WEFT_LISTEN. */
  listen(): Promise<string>;
  /** Empty: the table is not known yet, so that nothing can be denied. */
  setNames(tables: readonly NameTableMessage[]): void;
  close(): Promise<void>;
}

const TTL_SECONDS = 30;

/** @throws {WeftError} WEFT_LISTEN. */
export async function startDnsProxy(deps: DnsProxyDeps): Promise<DnsProxy & { readonly address: string }> {
  const proxy = createDnsProxy(deps);
  return { ...proxy, address: await proxy.listen() };
}

/** Answers once it is told to listen. */
export function createDnsProxy(deps: DnsProxyDeps): DnsProxy {
  const { clusterDomain, namespace, stats, logger } = deps;
  const count = countersOf(stats);
  const names = stats.gauge('dns.names');
  const inFlight = stats.gauge('dns.upstream_rq_active');
  const upstream = deps.upstream === undefined ? undefined : createDnsUpstream({ ...deps, upstream: deps.upstream });
  let table: NameTable = EMPTY_NAMES;
  let known = false;

  const alone = (query: DnsQuery, isKnown: boolean): Buffer => {
    if (!known) return writeReply(query, { rcode: RCODE.SERVFAIL });
    return answerAlone({ query, known: isKnown }, clusterDomain);
  };
  const isOwn = ({ name }: DnsQuery): boolean => deps.authoritative === true && isUnder(name, clusterDomain);
  const forward = (
    query: DnsQuery,
    message: Buffer,
    transport: 'udp' | 'tcp',
    reply: (message: Buffer) => void,
  ): void => {
    if (upstream === undefined) return;
    count('upstream_rq_total');
    upstream.ask(query, message, transport, (outcome) => {
      stats.set(inFlight, upstream.inFlight());
      if (outcome.kind === 'reply') {
        reply(
          transport === 'udp' && outcome.message.length > udpLimit(query) ? truncatedReply(query) : outcome.message,
        );
        return;
      }
      count(`upstream_rq_${outcome.why}`);
      logger.debug({ name: query.name, reason: outcome.reason }, 'a question to the name server got no answer');
      reply(writeReply(query, { rcode: RCODE.SERVFAIL }));
    });
    stats.set(inFlight, upstream.inFlight());
  };

  let listeners: DnsListeners | undefined;
  const open = (): Promise<DnsListeners> =>
    openDnsListeners({
      address: deps.listen.host,
      port: deps.listen.port,
      ...(deps.fds === undefined ? {} : { fds: deps.fds }),
      logger,
      take(message, transport, reply) {
        count(`${transport}_rq_total`);
        const answered = answer(message, table, { ttlSeconds: TTL_SECONDS, transport });
        switch (answered.kind) {
          case 'reply':
            count(answered.why === 'malformed' ? 'rq_malformed' : 'rq_answered');
            reply(answered.bytes);
            return;
          case 'drop':
            count('rq_malformed');
            return;
          case 'forward':
            if (upstream !== undefined && !isOwn(answered.query)) forward(answered.query, message, transport, reply);
            else {
              count('rq_unknown');
              reply(alone(answered.query, answered.known));
            }
        }
      },
    });
  return {
    async listen() {
      listeners = await open();
      return listeners.address;
    },
    setNames(tables) {
      known = tables.length > 0;
      table = buildNameTable(tables.flatMap(entriesOf), namespace);
      stats.set(names, table.size);
    },
    async close() {
      upstream?.close();
      await listeners?.close();
    },
  };
}

const COUNTERS = [
  'udp_rq_total',
  'tcp_rq_total',
  'rq_answered',
  'rq_unknown',
  'rq_malformed',
  'upstream_rq_total',
  'upstream_rq_timeout',
  'upstream_rq_overflow',
  'upstream_rq_error',
] as const;
type CounterName = (typeof COUNTERS)[number];

/** All of them are there from the start, so that a zero can be read. */
function countersOf(stats: Pick<StatsSink, 'counter' | 'add'>): (name: CounterName) => void {
  const slots = new Map(COUNTERS.map((name) => [name, stats.counter(`dns.${name}`)]));
  return (name) => {
    const slot = slots.get(name);
    if (slot !== undefined) stats.add(slot, 1);
  };
}
