// What only logs want to know of attempts. Called for those whose log asks for anything at all.
import type { LogWants } from '../../../access-log/captures.ts';
import type { UpstreamStream } from '../../../http/streams.ts';
import { WireMeter } from '../../../http/wire-meter.ts';
import type { Metadata, RequestRecord } from '../../../request-record.ts';
import type { Cluster } from '../../../upstream/cluster.ts';
import type { Host } from '../../../upstream/host.ts';

interface Choice {
  readonly host: Host;
  readonly cluster: Cluster;
  readonly route: Metadata;
}

export function noteAttempt(
  record: RequestRecord,
  wants: LogWants,
  { host, cluster, route }: Choice,
  nowMs: number,
): void {
  if (wants.attempts) {
    record.triedHosts ??= [];
    record.triedHosts.push({ host: host.name, hostname: host.facts.hostname, beganMs: nowMs, connectionId: 0 });
    record.poolReadyMs = -1;
  }
  if (wants.metadata) record.metadata = { route, cluster: cluster.settings.metadata, host: host.facts.metadata };
}

/** The last attempt got a connection, which the record names. */
export function noteLink(record: RequestRecord, wants: LogWants, nowMs: number): void {
  const link = record.upstreamLink;
  const attempt = record.triedHosts?.at(-1);
  if (attempt !== undefined) {
    attempt.connectionId = link?.id ?? 0;
    record.poolReadyMs = nowMs - attempt.beganMs;
  }
  if (wants.upstreamTls) link?.readTransport();
}

/** Bytes of the attempt that begins: the last one's are those that are told. */
export function meterUpstream(record: RequestRecord, stream: UpstreamStream): void {
  record.upstreamWire = new WireMeter();
  stream.meter(record.upstreamWire);
}
