import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beat, DEFAULT_HEARTBEAT, STARTING, type HeartbeatState } from './heartbeat.ts';

const after = (beats: readonly boolean[]): HeartbeatState =>
  beats.reduce((state, answered) => beat(state, answered, DEFAULT_HEARTBEAT), STARTING);

describe('beat', () => {
  it.each([
    ['one answer makes it healthy', [true], 'healthy'],
    ['misses before the first answer leave it starting', [false, false, false, false], 'starting'],
    ['two misses are forgiven', [true, false, false], 'healthy'],
    ['three misses in a row make it unhealthy', [true, false, false, false], 'unhealthy'],
    ['an answer between misses starts the count anew', [true, false, false, true, false, false], 'healthy'],
    ['one answer brings it back', [true, false, false, false, true], 'healthy'],
  ] as const)('%s', (_, beats, health) => {
    expect(after(beats).health).toBe(health);
  });

  it('is healthy after every answer, whatever came before', () => {
    fc.assert(fc.property(fc.array(fc.boolean()), (beats) => after([...beats, true]).health === 'healthy'));
  });
});
