/** Steady GETs from several keep-alive clients; each failure is kept. */
import { waitFor } from '@weft/testkit';
import { http, keepAlive } from './http.ts';

export interface Load {
  /** Waits until so many more calls have been answered. */
  atLeast(calls: number): Promise<void>;
  stop(): Promise<{ readonly total: number; readonly failed: readonly string[] }>;
}

/** @param options.everyMs pause of each client between its calls. */
export function startLoad(
  url: string,
  options: {
    readonly connections: number;
    readonly everyMs: number;
    readonly headers?: Record<string, string>;
    /** No answer within this is a failure; default 10 s. */
    readonly timeoutMs?: number;
  },
): Load {
  const agent = keepAlive(options.connections);
  const failed: string[] = [];
  let total = 0;
  let running = true;
  const client = async (): Promise<void> => {
    while (running) {
      try {
        const answer = await http(url, {
          agent,
          timeoutMs: options.timeoutMs ?? 10_000,
          ...(options.headers ? { headers: options.headers } : {}),
        });
        if (answer.status !== 200)
          failed.push(`${answer.status} ${answer.headers['x-weft-reason'] ?? ''} ${answer.body.slice(0, 80)}`);
      } catch (error) {
        failed.push(String(error));
      }
      total += 1;
      await new Promise((resolve) => setTimeout(resolve, options.everyMs));
    }
  };
  const clients = Array.from({ length: options.connections }, client);
  return {
    async atLeast(calls) {
      const goal = total + calls;
      await waitFor(() => total >= goal, { timeoutMs: 60_000, what: `${calls} calls` });
    },
    async stop() {
      running = false;
      await Promise.all(clients);
      agent.destroy();
      return { total, failed };
    },
  };
}
