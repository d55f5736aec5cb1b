/** The event stream: it writes the graph into the query cache and wakes queries whose objects changed. */
import type { GraphView } from '@weft/contracts/console-views';
import type { QueryClient } from '@tanstack/react-query';
import { apiUrl } from './client.ts';
import { graphKey } from './queries.ts';

export type LiveState = 'connecting' | 'live' | 'lost';

const WOKEN: Readonly<Record<string, readonly string[]>> = {
  config: ['config', 'mesh', 'service', 'workload'],
  proxies: ['proxies', 'mesh', 'workloads', 'workload'],
  registry: ['services', 'workloads', 'mesh', 'service', 'workload'],
};

/** @returns what ends it. */
export function followMesh(client: QueryClient, windowMs: number, onState: (state: LiveState) => void): () => void {
  const source = new EventSource(apiUrl('/events', { windowMs }));
  onState('connecting');
  source.addEventListener('open', () => onState('live'));
  // The browser connects again by itself.
  source.addEventListener('error', () => onState('lost'));
  source.addEventListener('graph', (event: MessageEvent<string>) => {
    onState('live');
    client.setQueryData(graphKey(windowMs), JSON.parse(event.data) as GraphView);
  });
  for (const [event, names] of Object.entries(WOKEN))
    source.addEventListener(event, () => {
      for (const name of names) void client.invalidateQueries({ queryKey: [name] });
    });
  return () => source.close();
}
