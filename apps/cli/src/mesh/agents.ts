/** Joins @weft/agent to the port of the workload runner. */
import { createAgent } from '@weft/agent';
import { parseSpiffeId } from '@weft/contracts';
import { WeftError, type Logger } from '@weft/kit';
import type { AgentFactory } from '@weft/local';

export function createAgents(logger: Logger): AgentFactory {
  return (request) => {
    const identity = parseSpiffeId(request.spiffeId);
    if (!identity) throw new WeftError('WEFT_BAD_WORKLOAD', `${request.spiffeId} is not a workload's SPIFFE id`);
    const agent = createAgent({
      identity,
      tokenSource: request.token,
      caAddress: () => ({ token: request.caAddress, peer: request.xdsAddress }),
      caRootPem: () => request.rootCaPem,
      ttlMs: request.ttlMs,
      logger,
    });
    agent.start();
    return {
      subscribe: (onSecrets) => {
        let last: ReturnType<typeof agent.secrets>;
        return agent.subscribe(() => {
          const secrets = agent.secrets();
          // Roots and certificate are told one by one; what is already known needs no second message.
          if (secrets && secrets.default === last?.default && secrets.rootCaPem === last.rootCaPem) return;
          last = secrets;
          if (secrets) onSecrets(secrets);
        });
      },
      close: () => agent.close(),
    };
  };
}
