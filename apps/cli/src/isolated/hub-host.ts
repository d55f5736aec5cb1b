/** The process on the host of an isolated mesh: opens the host's sockets, starts the supervisor in the hub, is its way out. */
import type { Server } from 'node:net';
import { errorMessage } from '@weft/kit';
import {
  createDestinationOf,
  createStateDir,
  listenSocketsOf,
  loadLibc,
  noNativeCalls,
  openHostSockets,
  refuseSecondMesh,
  serveDnsRelay,
  serveEgress,
  unshareCommand,
  type HostSocket,
  type IsolationCheck,
  type ListenSocket,
} from '@weft/local';
import type { MeshOptions } from '../mesh/options.ts';
import type { FromHub, ToHub } from './hub-line.ts';
import { startInner } from './inner-process.ts';

const FIRST_DESCRIPTOR = 4;

/** @returns the supervisor's exit code, when it has ended. */
export async function runHub(
  options: MeshOptions,
  check: Extract<IsolationCheck, { possible: true }>,
): Promise<number> {
  const dir = createStateDir(options.stateDir);
  refuseSecondMesh(dir);
  const { libc, problem } = loadLibc();
  if (!libc) throw noNativeCalls(problem);
  const sockets = await openHostSockets(options, listenSocketsOf(libc));
  const all = [sockets.gateway, sockets.console, sockets.monitoring];
  const given = (socket: ListenSocket): HostSocket => ({
    address: socket.address,
    port: socket.port,
    fd: FIRST_DESCRIPTOR + all.indexOf(socket),
  });
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const { child, ended } = startInner(
    (argv) => unshareCommand(check.userNamespace, argv),
    {
      as: 'hub',
      hub: {
        tool: check.tool,
        ...(check.userNamespace ? { user } : {}),
        hostSockets: {
          gateway: given(sockets.gateway),
          console: given(sockets.console),
          monitoring: given(sockets.monitoring),
        },
      },
    },
    all.map((socket) => socket.fd),
  );
  const say = (message: ToHub): void => void (child.connected && child.send(message));
  const opened: (() => void)[] = [];
  let over = false;
  const keep = (close: () => void): void => void (over ? close() : opened.push(close));
  const takeOver = async ({ dnsSocket }: FromHub, server: Server): Promise<void> => {
    const egress = serveEgress(server, { destinationOf: createDestinationOf(libc) });
    keep(() => egress.close());
    const dns = await serveDnsRelay({ socketPath: dnsSocket });
    keep(() => dns.close());
    say({ type: 'relaying' });
  };
  child.on('message', (message, handle) => {
    takeOver(message as FromHub, handle as Server).catch((error: unknown) =>
      say({ type: 'failed', message: errorMessage(error) }),
    );
  });
  try {
    return await ended;
  } finally {
    over = true;
    opened.forEach((close) => close());
    all.forEach((socket) => socket.close());
  }
}
