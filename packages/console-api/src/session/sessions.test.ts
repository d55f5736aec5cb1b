import { seededRandom } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { createBearerCheck } from './bearer.ts';
import { createSessions } from './sessions.ts';

const OPTIONS = { linkTtlMs: 60_000, sessionIdleMs: 600_000, sessionMaxMs: 3_600_000, maxSessions: 2 };
const TOKEN = 'a'.repeat(43);

describe('createSessions', () => {
  const setUp = () => {
    const clock = new FakeClock(1_000_000);
    return { clock, sessions: createSessions(clock, seededRandom(1), OPTIONS) };
  };
  it('takes the code of a link once', () => {
    const { sessions } = setUp();
    const { code } = sessions.createLink();
    expect(sessions.redeem(code)).toBeDefined();
    expect(sessions.redeem(code)).toBeUndefined();
  });
  it('refuses a link older than its time, and codes it never made', () => {
    const { clock, sessions } = setUp();
    const { code } = sessions.createLink();
    clock.advance(60_000);
    expect(sessions.redeem(code)).toBeUndefined();
    expect(sessions.redeem('')).toBeUndefined();
    expect(sessions.redeem('guess')).toBeUndefined();
  });
  it('gives an id of 256 bits that is not the code', () => {
    const { sessions } = setUp();
    const { code } = sessions.createLink();
    const id = sessions.redeem(code)?.id ?? '';
    expect(Buffer.from(id, 'base64url')).toHaveLength(32);
    expect(id).not.toBe(code);
    expect(sessions.use(code)).toBeUndefined();
  });
  it('ends when idle, and at the latest after its full time however busy', () => {
    const { clock, sessions } = setUp();
    const idle = sessions.redeem(sessions.createLink().code)?.id ?? '';
    const busy = sessions.redeem(sessions.createLink().code)?.id ?? '';
    for (let i = 0; i < 6; i += 1) {
      clock.advance(590_000);
      expect(sessions.use(busy)).toBeDefined();
    }
    expect(sessions.use(idle)).toBeUndefined();
    clock.advance(60_000);
    expect(sessions.use(busy)).toBeUndefined();
  });
  it('ends on the server when asked to', () => {
    const { sessions } = setUp();
    const id = sessions.redeem(sessions.createLink().code)?.id ?? '';
    sessions.end(id);
    expect(sessions.use(id)).toBeUndefined();
  });
  it('keeps a bounded number; the oldest makes room', () => {
    const { sessions } = setUp();
    const ids = [1, 2, 3].map(() => sessions.redeem(sessions.createLink().code)?.id ?? '');
    expect(ids.map((id) => sessions.use(id) !== undefined)).toEqual([false, true, true]);
  });
});

describe('createBearerCheck', () => {
  it('knows right, wrong and absent', () => {
    const check = createBearerCheck(new FakeClock(), TOKEN, 10);
    expect(check.check(`Bearer ${TOKEN}`, 'a')).toBe('right');
    expect(check.check(`bearer ${TOKEN}`, 'a')).toBe('right');
    expect(check.check(undefined, 'a')).toBe('absent');
    for (const bad of [
      TOKEN,
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      'Bearer ',
      `Basic ${TOKEN}`,
      `Bearer ${TOKEN} `,
    ])
      expect(check.check(bad, 'b')).toBe('wrong');
  });
  it('stops listening to a peer that guesses, for a minute; the right token still works', () => {
    const clock = new FakeClock();
    const check = createBearerCheck(clock, TOKEN, 3);
    const verdicts = [1, 2, 3, 4].map(() => check.check('Bearer no', 'a'));
    expect(verdicts).toEqual(['wrong', 'wrong', 'wrong', 'locked-out']);
    expect(check.check('Bearer no', 'b')).toBe('wrong');
    expect(check.check(`Bearer ${TOKEN}`, 'a')).toBe('right');
    for (let i = 0; i < 5; i += 1) check.check('Bearer no', 'c');
    clock.advance(60_000);
    expect(check.check('Bearer no', 'c')).toBe('wrong');
  });
  it('does not start with a token that can be guessed', () => {
    expect(() => createBearerCheck(new FakeClock(), 'secret', 3)).toThrow(/at least 32/);
  });
});
