import type { AuthorizationFacts, CompiledRbac } from '@weft/evaluator';
import type { DownstreamConnection } from '../../http/streams.ts';

/** Whether every network policy of the chain lets this connection in; what only HTTP could tell is empty here. */
export function connectionAllowed(policies: readonly CompiledRbac[], connection: DownstreamConnection): boolean {
  if (policies.length === 0) return true;
  const facts = factsOf(connection);
  return policies.every((policy) => policy.check(facts).allowed);
}

function factsOf(connection: DownstreamConnection): AuthorizationFacts {
  return {
    method: '',
    path: '',
    query: '',
    authority: '',
    scheme: '',
    header: () => undefined,
    principals: connection.peerPrincipal === '' ? [] : [connection.peerPrincipal],
    directRemoteIp: connection.directAddress,
    remoteIp: connection.remoteAddress,
    destinationIp: connection.localAddress,
    destinationPort: connection.localPort,
    requestedServerName: connection.requestedServerName,
    metadata: () => undefined,
  };
}
