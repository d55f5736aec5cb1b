import type { ParentMessage } from '@weft/contracts';
import type { Agent } from './agent.ts';

/** The parent's end of a child's channel, as far as it is needed here: a socket or pipe. */
export interface ChannelWriter {
  write(text: string): unknown;
}

/** Writes the secrets to a child now, or as soon as there are any, and again on each change; roots come first. @returns how to stop. */
export function handOver(agent: Pick<Agent, 'secrets' | 'subscribe'>, channel: ChannelWriter): () => void {
  let rootCaPem: string | undefined;
  return agent.subscribe((update) => {
    if (update.name === 'ROOTCA') {
      const first = rootCaPem === undefined;
      rootCaPem = update.pem;
      const held = agent.secrets()?.default;
      // At the start the certificate follows in the same turn: one message says both.
      if (first || !held) return;
      send(channel, { type: 'secrets', default: held, rootCaPem });
    } else if (rootCaPem !== undefined) {
      const { name: _, ...secret } = update;
      send(channel, { type: 'secrets', default: secret, rootCaPem });
    }
  });
}

function send(channel: ChannelWriter, message: ParentMessage): void {
  channel.write(`${JSON.stringify(message)}\n`);
}
