/** Follows the supervisor's registry from the control plane; reconnects for ever, keeps the last state meanwhile. */
import type { RegistryState } from '@weft/contracts';
import { createBackoff, errorMessage, type Clock, type Logger, type Random, type Timer } from '@weft/kit';
import { openUnix } from './unix-client.ts';

export interface RegistryClient {
  close(): void;
}

export function watchRegistry(
  socketPath: string,
  deps: {
    readonly clock: Clock;
    readonly random: Random;
    readonly logger: Logger;
    readonly onState: (state: RegistryState) => void;
  },
): RegistryClient {
  const backoff = createBackoff({ baseMs: 100, maxMs: 2_000 }, deps.random);
  let closed = false;
  let timer: Timer | undefined;
  let current: { destroy(): void } | undefined;

  const again = (reason: string): void => {
    if (closed) return;
    deps.logger.warn({ reason }, 'registry stream lost; connecting again');
    timer = deps.clock.after(backoff.next(), () => void follow());
  };
  const follow = async (): Promise<void> => {
    try {
      const response = await openUnix(socketPath, { method: 'GET', path: '/v1/registry/watch' });
      current = response;
      let text = '';
      response.setEncoding('utf8');
      response.on('error', () => {});
      response.on('data', (chunk: string) => {
        text += chunk;
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        // Each line is a whole state: only the newest matters.
        const newest = lines.at(-1);
        if (newest === undefined) return;
        backoff.reset();
        deps.onState(JSON.parse(newest) as RegistryState);
      });
      response.once('close', () => again('closed'));
    } catch (error) {
      again(errorMessage(error));
    }
  };
  void follow();
  return {
    close() {
      closed = true;
      timer?.cancel();
      current?.destroy();
    },
  };
}
