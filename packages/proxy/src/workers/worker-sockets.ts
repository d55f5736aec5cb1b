// The listening sockets of a process with workers. The main thread has them, accepts nothing, and gives each worker a
// descriptor of its own.
import { type Clock, errorCode, errorMessage, type Logger, type Timer } from '@weft/kit';
import type { InheritedFds, ListenerSocket } from '../ports.ts';
import type { ListeningSockets } from '../sockets/listening-sockets.ts';

/** Where a listener wants connections. */
export interface WantedSocket {
  readonly address: string;
  readonly port: number;
  readonly backlog: number;
}

/** What every worker is to be told, one list each. */
export interface SocketChange {
  readonly opened: readonly (readonly (readonly [address: string, fd: number])[])[];
  readonly closed: readonly string[];
}

export interface WorkerSocketsDeps {
  readonly workers: number;
  /** The parent's, which stay its own. */
  readonly inherited: InheritedFds;
  readonly calls: ListeningSockets;
  readonly clock: Clock;
  readonly logger: Logger;
  /** An address that was taken by another program has come free. */
  readonly onFree: () => void;
}

// A predecessor may hold the address until it has drained.
const BIND_AGAIN_MS = 200;

interface Opened {
  readonly wanted: WantedSocket;
  /** -1 = it could not be opened. */
  fd: number;
  failure: string;
  /** Another program has the address now. */
  taken: boolean;
}

const keyOf = ({ address, port }: WantedSocket): string => `${address}:${port}`;

export class WorkerSockets {
  readonly #deps: WorkerSocketsDeps;
  readonly #open = new Map<string, Opened>();
  /** Of the parent's: given to the workers, who keep them. */
  readonly #given = new Set<string>();
  #again: Timer | undefined;
  #closed = false;

  constructor(deps: WorkerSocketsDeps) {
    this.#deps = deps;
  }

  /** Opens what is missing and closes what is no longer wanted. */
  change(all: readonly WantedSocket[]): SocketChange {
    const opened: [string, number][][] = Array.from({ length: this.#deps.workers }, () => []);
    const closed: string[] = [];
    if (this.#closed) return { opened, closed };
    const wanted = new Map(all.map((one) => [keyOf(one), one]));
    for (const [key, { fd }] of this.#open) {
      if (wanted.has(key)) continue;
      this.#open.delete(key);
      if (this.#deps.inherited.has(key) || fd < 0) continue;
      this.#deps.calls.close(fd);
      closed.push(key);
    }
    for (const [key, one] of wanted) {
      const socket = this.#open.get(key) ?? { wanted: one, fd: -1, failure: '', taken: false };
      this.#open.set(key, socket);
      if (socket.fd >= 0 || !this.#tryOpen(key, socket) || this.#given.has(key)) continue;
      if (this.#deps.inherited.has(key)) this.#given.add(key);
      for (const list of opened) list.push([key, this.#deps.calls.duplicate(socket.fd)]);
    }
    this.#retry();
    return { opened, closed };
  }

  /** @returns undefined when connections are taken there. */
  failureAt(address: string, port: number): string | undefined {
    const socket = this.#open.get(`${address}:${port}`);
    return socket === undefined || socket.fd >= 0 ? undefined : socket.failure;
  }

  list(): ListenerSocket[] {
    return [...this.#open.values()].flatMap(({ wanted: { address, port }, fd }) =>
      fd < 0 ? [] : { address, port, fd },
    );
  }

  /** What workers accept from is theirs to close. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#again?.cancel();
    for (const [key, { fd }] of this.#open) if (fd >= 0 && !this.#deps.inherited.has(key)) this.#deps.calls.close(fd);
    this.#open.clear();
  }

  #tryOpen(key: string, socket: Opened): boolean {
    const { address, port, backlog } = socket.wanted;
    try {
      socket.fd = this.#deps.inherited.get(key) ?? this.#deps.calls.open(address, port, backlog);
      socket.failure = '';
      socket.taken = false;
    } catch (error) {
      const failure = errorMessage(error);
      if (failure !== socket.failure) this.#deps.logger.error({ address: key, error: failure }, 'listener failed');
      socket.failure = failure;
      socket.taken = errorCode(error) === 'EADDRINUSE';
    }
    return socket.fd >= 0;
  }

  #retry(): void {
    if (this.#again !== undefined || ![...this.#open.values()].some(({ taken }) => taken)) return;
    this.#again = this.#deps.clock.after(BIND_AGAIN_MS, () => {
      this.#again = undefined;
      if (!this.#closed) this.#deps.onFree();
    });
  }
}
