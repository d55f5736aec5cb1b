// Who may come in at one listener: there must be a place in the proxy, at the listener, and for the client's address.
import type { Socket } from 'node:net';
import type { Clock, Logger } from '@weft/kit';
import type { StatsSink } from '../ports.ts';
import type { SharedCells } from '../shared/shared-cells.ts';
import { takeBelow } from '../shared/take-below.ts';
import { AcceptControl } from './accept-control.ts';
import { ClientBook } from './client-book.ts';
import { CLIENT_REFUSALS, type ClientLimits, type ClientRefusal } from './client-limits.ts';
import { type ConnectionGate, type ConnectionPlace, lowMark, type Refusal } from './connection-gate.ts';

/** What a listener says beside the limits of the whole proxy. */
export interface ListenerLimits {
  /** Connections at once; Infinity = no limit of its own. */
  readonly maxConnections: number;
  /** undefined = clients are not told apart. */
  readonly clients: ClientLimits | undefined;
}

export interface AdmissionDeps {
  readonly gate: ConnectionGate;
  /** Where workers count together. */
  readonly shared: SharedCells;
  /** The same for addresses, of which there may be many: they take no room from others. */
  readonly addresses: SharedCells;
  readonly stats: StatsSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hold: () => void;
  readonly open: () => void;
}

export class Admission {
  readonly #name: string;
  readonly #deps: AdmissionDeps;
  readonly #refused: Readonly<Record<Refusal, number>>;
  /** Made when limits need them. */
  #control: AcceptControl | undefined;
  #book: ClientBook | undefined;
  #clientSlots: Readonly<Record<ClientRefusal, number>> | undefined;
  #limits: ListenerLimits;
  /** Connections, of all workers. */
  readonly #open: Int32Array;

  constructor(name: string, limits: ListenerLimits, deps: AdmissionDeps) {
    this.#name = name;
    this.#deps = deps;
    const { stats } = deps;
    this.#refused = {
      connections: stats.counter(`listener.${name}.downstream_cx_overflow`),
      memory: stats.counter(`listener.${name}.downstream_cx_overload_reject`),
      descriptors: stats.counter(`listener.${name}.downstream_cx_no_descriptor`),
    };
    this.#open = deps.shared.open(`listener ${name} connections`, 1);
    this.#limits = limits;
    this.update(limits);
  }

  /** Connections that are there stay, also above a lower limit. */
  update(limits: ListenerLimits): void {
    this.#limits = limits;
    const { stats, addresses: shared, clock } = this.#deps;
    if (limits.clients === undefined) this.#book = undefined;
    else if (this.#book !== undefined) this.#book.limits = limits.clients;
    else {
      this.#book = new ClientBook(limits.clients, { listener: this.#name, shared, now: () => clock.now() });
      const slot = (refusal: ClientRefusal): number => stats.counter(`listener.${this.#name}.downstream_cx_${refusal}`);
      this.#clientSlots ??= Object.fromEntries(CLIENT_REFUSALS.map((one) => [one, slot(one)])) as Readonly<
        Record<ClientRefusal, number>
      >;
    }
    this.#control?.look();
  }

  /** @returns undefined for a connection that was refused; it is reset. */
  enter(socket: Socket): ConnectionPlace | undefined {
    const place = this.#deps.gate.enter(descriptorOf(socket));
    if (typeof place === 'string') {
      this.#refuse(socket, this.#refused[place]);
      return undefined;
    }
    const { maxConnections } = this.#limits;
    const before = takeBelow(this.#open, 0, maxConnections);
    if (before < 0) {
      place.leave();
      this.#shut();
      this.#refuse(socket, this.#refused.connections);
      return undefined;
    }
    place.whenLeft(this.#onLeft);
    if (before + 1 === maxConnections) this.#shut();
    return place;
  }

  /**
   * Once it is known who the client is, which a proxy in front may tell.
   * @returns false for a connection that was refused; it is reset, and has left its place.
   */
  know(socket: Socket, place: ConnectionPlace, address: string): boolean {
    const entered = this.#book?.enter(address);
    if (entered === undefined) return true;
    if (typeof entered === 'string') {
      place.leave();
      this.#refuse(socket, this.#clientSlots?.[entered] ?? -1);
      return false;
    }
    place.whenLeft(entered.left);
    place.onAbuse = entered.strike;
    return true;
  }

  close(): void {
    this.#control?.close();
  }

  readonly #onLeft = (): void => {
    Atomics.sub(this.#open, 0, 1);
    this.#control?.look();
  };

  #shut(): void {
    const { hold, open, stats, clock, logger } = this.#deps;
    this.#control ??= new AcceptControl({
      name: `listener.${this.#name}`,
      hold,
      open,
      stillShut: () => (Atomics.load(this.#open, 0) > lowMark(this.#limits.maxConnections) ? 'connections' : undefined),
      stats,
      clock,
      logger,
    });
    this.#control.shut('connections');
  }

  #refuse(socket: Socket, slot: number): void {
    if (slot >= 0) this.#deps.stats.add(slot, 1);
    socket.resetAndDestroy();
  }
}

/** -1 where it is not told. */
const descriptorOf = (socket: Socket): number =>
  (socket as unknown as { readonly _handle: { readonly fd?: number } | null })._handle?.fd ?? -1;
