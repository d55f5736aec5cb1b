import type { Cluster } from '../../../upstream/cluster.ts';
import type { Host } from '../../../upstream/host.ts';
import type { RoutedStream } from './routed-stream.ts';

/** The statistics slot for requests to this host by this peer; taken once, then looked up. */
export function hostSlot(stream: RoutedStream, cluster: Cluster, host: Host, upstreamPeer: string): number {
  const { manager, record } = stream;
  const inbound = manager.settings.direction === 'inbound';
  const key = inbound ? stream.downstream.connection.peerKey : upstreamPeer;
  const known = host.slots.get(key);
  if (known !== undefined) return known;
  const { settings } = cluster;
  const slot = manager.stats.requestSlot({
    reporter: inbound ? 'destination' : 'source',
    sourcePrincipal: inbound ? record.sourcePrincipal : '',
    destinationPrincipal: inbound ? stream.downstream.connection.ownPrincipal : upstreamPeer,
    cluster: settings.name,
    destinationService: settings.serviceHost,
    destinationServiceName: settings.serviceName,
    destinationServiceNamespace: settings.serviceNamespace,
    destinationWorkload: host.facts.workload,
    sourceWorkload: record.sourceWorkload,
    protocol: 'http',
    mutualTls: inbound ? record.mutualTls : upstreamPeer !== '',
    listener: manager.settings.listener,
  });
  host.slots.set(key, slot);
  return slot;
}
