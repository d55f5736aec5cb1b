import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type CutWay = 'there' | 'back';

export interface Cut {
  /** Whose bytes are counted: those to the target, or those that come back. */
  readonly way: CutWay;
  /** How many of them still go on. */
  readonly after: number;
  /** `ended`: who reads them sees an end, and can still write. `closed` and `reset`: the connection is gone for both. */
  readonly how: 'ended' | 'closed' | 'reset';
  /** Bytes of connections that are open already count, too. */
  readonly present?: boolean;
}

/** What went through the connection that a cut was meant for. */
export interface Passed {
  readonly there: Buffer;
  readonly back: Buffer;
  /** The cut was made. */
  readonly cut: boolean;
}

export interface CuttingRelay extends AsyncDisposable {
  readonly port: number;
  readonly open: () => number;
  /** The next connection that says something is cut, once; a later call takes the place of this one. */
  cutNext(cut: Cut): Passed;
  /** Ends all connections. */
  breakAll(): void;
}

/** Something is between two programs and passes their bytes on, until it breaks their connection where it is told to. */
export async function createCuttingRelay(target: {
  readonly host: string;
  readonly port: number;
}): Promise<CuttingRelay> {
  const sockets = new Set<Socket>();
  let plan: Plan | undefined;
  let connections = 0;
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    connections += 1;
    const far = connect({ ...target, allowHalfOpen: true, noDelay: true });
    track(near);
    track(far);
    const number = connections;
    join(near, far, () => {
      if (plan === undefined || (plan.of !== 0 && plan.of !== number)) return undefined;
      if (plan.of === 0 && !plan.what.present && number <= plan.made) return undefined;
      plan.of = number;
      return plan;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    open: () => sockets.size / 2,
    cutNext(cut) {
      plan = new Plan(cut, connections);
      return plan;
    },
    breakAll: () => sockets.forEach((socket) => socket.destroy()),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

class Plan implements Passed {
  there = Buffer.alloc(0);
  back = Buffer.alloc(0);
  /** The connection that it is for; 0 = none yet. */
  of = 0;
  readonly what: Cut;
  /** Connections there were before. */
  readonly made: number;
  #made = false;

  constructor(cut: Cut, made: number) {
    this.what = cut;
    this.made = made;
  }

  get cut(): boolean {
    return this.#made;
  }

  /** @returns those of these bytes that go on. The cut may be behind them. */
  pass(way: CutWay, data: Buffer): Buffer {
    let taken = data;
    if (this.what.way === way && !this.#made) {
      const left = this.what.after - this[way].length;
      taken = data.subarray(0, left);
      this.#made = taken.length === left;
    }
    this[way] = Buffer.concat([this[way], taken]);
    return taken;
  }
}

function join(near: Socket, far: Socket, planOf: () => Plan | undefined): void {
  const destroy = (): void => {
    near.destroy();
    far.destroy();
  };
  const reset = (): void => {
    for (const socket of [near, far]) {
      // Node leaves one open that is reset after its end.
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  };
  for (const [from, to, way] of [
    [near, far, 'there'],
    [far, near, 'back'],
  ] as const) {
    let ended = false;
    from.on('data', (data: Buffer) => {
      if (ended) return;
      const plan = planOf();
      if (plan === undefined || plan.cut) {
        plan?.pass(way, data);
        return void to.write(data);
      }
      const taken = plan.pass(way, data);
      if (!plan.cut) return void to.write(data);
      ended = true;
      const { how } = plan.what;
      const end = (): void => {
        if (how === 'ended') to.end();
        else if (how === 'closed') destroy();
        else reset();
      };
      // What was passed has to get out before.
      if (taken.length > 0) to.write(taken, end);
      else end();
    });
    from.on('end', () => void to.end());
    from.on('error', reset);
    from.on('close', () => to.destroySoon());
  }
}
