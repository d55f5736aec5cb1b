import { silentLogger } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { type WantedSocket, WorkerSockets } from './worker-sockets.ts';

const at = (port: number): WantedSocket => ({ address: '127.0.0.1', port, backlog: 16 });
const FIRST_COPY = 100;

function sockets(inherited: readonly (readonly [string, number])[] = []) {
  const clock = new FakeClock();
  const open = new Set<number>();
  const taken = new Set<number>();
  let copies = FIRST_COPY;
  let freed = 0;
  const made = new WorkerSockets({
    workers: 2,
    inherited: new Map(inherited),
    calls: {
      open(address, port) {
        if (taken.has(port))
          throw Object.assign(new Error(`listen EADDRINUSE: address already in use ${address}:${port}`), {
            code: 'EADDRINUSE',
          });
        open.add(port);
        return port;
      },
      duplicate: () => copies++,
      close: (fd) => void open.delete(fd),
    },
    clock,
    logger: silentLogger,
    onFree: () => (freed += 1),
  });
  return { made, clock, open, taken, freed: () => freed };
}

describe('sockets of a process with workers', () => {
  it('are opened once, with a descriptor for each worker, and closed when nobody wants them', () => {
    const { made, open } = sockets();
    expect(made.change([at(80)])).toEqual({
      opened: [[['127.0.0.1:80', FIRST_COPY]], [['127.0.0.1:80', FIRST_COPY + 1]]],
      closed: [],
    });
    expect(made.change([at(80)])).toEqual({ opened: [[], []], closed: [] });
    expect(made.list()).toEqual([{ address: '127.0.0.1', port: 80, fd: 80 }]);
    expect(made.change([at(81)]).closed).toEqual(['127.0.0.1:80']);
    expect([...open]).toEqual([81]);
    made.close();
    expect([...open]).toEqual([]);
    expect(made.change([at(82)])).toEqual({ opened: [[], []], closed: [] });
  });

  it('of the parent are given once, and stay the parent’s', () => {
    const { made, open } = sockets([['127.0.0.1:80', 7]]);
    expect(made.change([at(80)]).opened[1]).toEqual([['127.0.0.1:80', FIRST_COPY + 1]]);
    expect(made.change([]).closed).toEqual([]);
    // Workers still have theirs.
    expect(made.change([at(80)]).opened).toEqual([[], []]);
    made.close();
    expect([...open]).toEqual([]);
  });

  it('that another program has are tried again until they are free', () => {
    const { made, clock, taken, freed } = sockets();
    taken.add(80);
    expect(made.change([at(80)]).opened).toEqual([[], []]);
    expect(made.failureAt('127.0.0.1', 80)).toContain('EADDRINUSE');
    clock.advance(200);
    expect(freed()).toBe(1);
    expect(made.change([at(80)]).opened).toEqual([[], []]);
    taken.delete(80);
    clock.advance(200);
    expect(freed()).toBe(2);
    expect(made.change([at(80)]).opened[0]).toHaveLength(1);
    expect(made.failureAt('127.0.0.1', 80)).toBeUndefined();
    clock.advance(1_000);
    expect(freed()).toBe(2);
  });
});
