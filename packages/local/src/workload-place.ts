/** Where a workload's processes run: the port behind which the host and a namespace of its own look alike to a runner. */
import type { ListeningSocket } from '@weft/contracts';
import type { ListenSocket, ListenSockets, SocketKind } from './listen-socket.ts';
import type { Admission, WorkloadSpec } from './mesh-link.ts';
import { probe, type Probe } from './probe.ts';

export type CommandLine = readonly [string, ...string[]];

export interface WorkloadPlace {
  /** A process that is there as long as the place, when it is not the host. */
  readonly pid?: number;
  /** Puts a program of the mesh there: the process that is started becomes it, with its pid, group and descriptors. */
  enter(argv: CommandLine): CommandLine;
  /** The same for the user's program, as the user, in a folder. */
  enterAsUser(argv: CommandLine, cwd: string): CommandLine;
  /** Opens listening sockets there. @returns undefined where descriptors can not be handed to children. */
  openSockets(wanted: readonly SocketPlace[]): readonly ListenSocket[];
  /** A socket that a child there made, from now on also this process's. @returns undefined where that can not be had. */
  adoptSocket(pid: number, socket: ListeningSocket): ListenSocket | undefined;
  /** One heartbeat of the application, asked from there. */
  probe(target: Probe, address: string, port: number, timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface SocketPlace {
  readonly address: string;
  readonly port: number;
  /** Default: a stream. */
  readonly kind?: SocketKind;
}

export type PlaceFactory = (spec: WorkloadSpec, admission: Admission) => Promise<WorkloadPlace>;

/** The host itself: the loopback form. */
export function hostPlace(sockets: ListenSockets | undefined): WorkloadPlace {
  return {
    enter: (argv) => argv,
    enterAsUser: (argv) => argv,
    openSockets: (wanted) =>
      sockets ? openAll(wanted, (place) => sockets.open(place.address, place.port, place.kind)) : [],
    adoptSocket: (pid, socket) => sockets?.adopt(pid, socket),
    probe,
    close: () => Promise.resolve(),
  };
}

/** All of them, each address once, or none. */
export function openAll(
  wanted: readonly SocketPlace[],
  open: (place: SocketPlace) => ListenSocket,
): readonly ListenSocket[] {
  const opened: ListenSocket[] = [];
  try {
    for (const place of wanted) {
      const same = (item: ListenSocket): boolean =>
        item.address === place.address && item.port === place.port && item.kind === (place.kind ?? 'stream');
      if (!opened.some(same)) opened.push(open(place));
    }
    return opened;
  } catch (error) {
    opened.forEach((socket) => socket.close());
    throw error;
  }
}
