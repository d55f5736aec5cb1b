import { describe, expect, it } from 'vitest';
import { handoverEnv, takeHandover } from './handover.ts';

describe('takeHandover', () => {
  it('is what was given, and leaves no trace for programs that are started later', () => {
    const env: NodeJS.ProcessEnv = { HOME: '/h', ...handoverEnv({ as: 'member' }) };
    expect(takeHandover(env)).toEqual({ as: 'member' });
    expect(env).toEqual({ HOME: '/h' });
    expect(takeHandover(env)).toBeUndefined();
  });
});
