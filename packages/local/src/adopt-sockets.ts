/** Sockets that a child bound for itself, made this process's own, so that the child that follows can have them, too. */
import type { ListeningSocket } from '@weft/contracts';
import type { Clock } from '@weft/kit';
import type { ChildProcessLine } from './child-process.ts';
import type { ListenSocket } from './listen-socket.ts';

export interface AdoptDeps {
  readonly clock: Clock;
  /** Those that the child got from here. */
  readonly own: readonly ListenSocket[];
  readonly adopt: (pid: number, socket: ListeningSocket) => ListenSocket | undefined;
}

const TOLD_WITHIN_MS = 2_000;

/** What can not be adopted is left out: whoever follows binds it when the child has let go. */
export async function adoptSockets(child: ChildProcessLine, deps: AdoptDeps): Promise<readonly ListenSocket[]> {
  const { pid } = child;
  if (pid === undefined) return [];
  const told = await socketsOfChild(child, deps.clock);
  return told
    .filter(({ address, port }) => !deps.own.some((socket) => socket.address === address && socket.port === port))
    .flatMap((socket) => deps.adopt(pid, socket) ?? []);
}

function socketsOfChild(child: ChildProcessLine, clock: Clock): Promise<readonly ListeningSocket[]> {
  return new Promise((resolve) => {
    const done = (sockets: readonly ListeningSocket[]): void => {
      timer.cancel();
      forget();
      resolve(sockets);
    };
    const timer = clock.after(TOLD_WITHIN_MS, () => done([]));
    const forget = child.onMessage((message) => {
      if (message.type === 'sockets') done(message.sockets);
    });
    child.send({ type: 'tell-sockets' });
  });
}
