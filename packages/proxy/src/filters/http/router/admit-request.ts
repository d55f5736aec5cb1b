import { type ForwardAction, redirectLocation } from '@weft/evaluator';
import type { Outcome } from '../hcm-settings.ts';
import type { RoutedStream } from './routed-stream.ts';
import { RouterRequest } from './router-request.ts';

/**
 * What a request gets from the route that was found for it: the route's own answer, a refusal, or somebody to carry it
 * to the route's cluster.
 * @returns undefined when the request is answered.
 */
export function admitRequest(stream: RoutedStream, outcome: Outcome): RouterRequest | undefined {
  const { decision, match } = outcome.route;
  if (decision.kind === 'redirect') {
    const location = redirectLocation(decision, match, stream);
    stream.reply('direct-response', { status: decision.status, silent: true, headers: [['location', location]] });
    return undefined;
  }
  if (decision.kind === 'direct-response') {
    stream.reply('direct-response', { status: decision.status, silent: true, body: decision.body });
    return undefined;
  }
  const cluster = stream.manager.clusters.get(stream.clusterName);
  if (cluster === undefined) {
    stream.reply('cluster-not-found', { status: decision.clusterNotFoundStatus });
    return undefined;
  }
  if (stream.upgradeType !== '' && !upgradeAllowed(stream, decision)) {
    stream.reply('upgrade-refused');
    return undefined;
  }
  if (!cluster.circuit.tryRequest()) {
    stream.reply('upstream-overflow');
    return undefined;
  }
  return new RouterRequest(stream, outcome, decision, cluster);
}

function upgradeAllowed({ manager, upgradeType }: RoutedStream, action: ForwardAction): boolean {
  return action.upgrades.get(upgradeType) ?? manager.settings.upgrades.get(upgradeType) ?? false;
}
