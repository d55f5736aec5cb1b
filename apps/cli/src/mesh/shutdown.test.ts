import { afterEach, describe, expect, it } from 'vitest';
import { watchShutdown, type Shutdown } from './shutdown.ts';

const releases: (() => void)[] = [];
afterEach(() => releases.splice(0).forEach((release) => release()));

/** Only our own listener hears the signal: the test runner has some, too. */
function watched(): { readonly shutdown: Shutdown; readonly signal: () => void; readonly seconds: () => number } {
  const others = new Set(process.listeners('SIGINT'));
  let seconds = 0;
  const shutdown = watchShutdown({ hangUp: false, inner: false, onSecond: () => (seconds += 1) });
  releases.push(shutdown.release);
  const own = process.listeners('SIGINT').filter((listener) => !others.has(listener));
  return { shutdown, signal: () => own.forEach((listener) => listener('SIGINT')), seconds: () => seconds };
}

describe('watchShutdown', () => {
  it('takes the two signals that one Ctrl-C makes under a launcher as one', async () => {
    const { shutdown, signal, seconds } = watched();
    signal();
    signal();
    expect(await shutdown.asked).toBe('SIGINT');
    expect(seconds()).toBe(0);
  });
  it('a second Ctrl-C of a hand ends it at once', async () => {
    const { signal, seconds } = watched();
    signal();
    await new Promise((resolve) => setTimeout(resolve, 150));
    signal();
    expect(seconds()).toBe(1);
  });
});
