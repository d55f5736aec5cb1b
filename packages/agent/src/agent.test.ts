import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import type { LogFields, Logger } from '@weft/kit';
import { seededRandom, silentLogger } from '@weft/kit';
import { FakeClock, waitFor } from '@weft/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { createAgent, type Agent, type AgentOptions } from './agent.ts';
import { createTestAuthority, SuspendableClock, type TestAuthority } from './testing/test-authority.ts';

const IDENTITY = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'reviews' };
const ID = 'spiffe://cluster.local/ns/default/sa/reviews';
const START_MS = Date.UTC(2026, 5, 1);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

interface Line {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

function recorder(lines: Line[]): Logger {
  const at = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, fields, message });
  const logger: Logger = {
    ...silentLogger,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  return logger;
}

const agents: Agent[] = [];
afterEach(() => {
  for (const agent of agents.splice(0)) agent.close();
});

async function setUp<C extends FakeClock | SuspendableClock>(clock: C, more: Partial<AgentOptions> = {}) {
  const authority = await createTestAuthority(clock, ID);
  const lines: Line[] = [];
  let tokens = 0;
  const agent = createAgent({
    identity: IDENTITY,
    tokenSource: () => `token-${(tokens += 1)}`,
    caAddress: () => ({ token: 'ca:15013', peer: 'ca:15012' }),
    caRootPem: () => authority.rootsPem(),
    logger: recorder(lines),
    clock,
    random: seededRandom(1),
    request: authority.request,
    ...more,
  });
  agents.push(agent);
  return { agent, authority, lines, clock };
}

const start = async <C extends FakeClock | SuspendableClock>(clock: C, more: Partial<AgentOptions> = {}) => {
  const all = await setUp(clock, more);
  all.agent.start();
  await all.agent.ready();
  return all;
};

const calls = (authority: TestAuthority, count: number): Promise<true> =>
  waitFor(() => authority.calls.length === count || undefined, { what: `${count} calls`, timeoutMs: 3_000 });

const renewed = (agent: Agent, formerExpiry: number): Promise<number> =>
  waitFor(() => {
    const at = agent.secrets()?.default.expiresAt ?? 0;
    return at > formerExpiry ? at : undefined;
  });

describe('the first certificate', () => {
  it('is got with a token, for a key made here', async () => {
    const { agent, authority } = await start(new FakeClock(START_MS));
    const secrets = agent.secrets();
    expect(authority.calls).toHaveLength(1);
    expect(authority.calls[0]).toMatchObject({
      address: 'ca:15013',
      proof: { kind: 'token', token: 'token-1' },
      serverId: 'spiffe://cluster.local/ns/weft-system/sa/weft-control-plane',
      ttlSeconds: 86_400,
    });
    const leaf = new X509Certificate(secrets?.default.certChainPem ?? '');
    expect(leaf.checkPrivateKey(createPrivateKey(secrets?.default.privateKeyPem ?? ''))).toBe(true);
    expect(createPublicKey(secrets?.default.privateKeyPem ?? '').asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    expect(secrets).toMatchObject({ default: { spiffeId: ID, expiresAt: START_MS + 24 * HOUR_MS } });
    expect(secrets?.rootCaPem).toBe(authority.rootsPem());
    expect(agent.state()).toMatchObject({ phase: 'serving', failures: 0 });
  });

  it('is asked for until there is one, with a fresh token each time', async () => {
    const clock = new FakeClock(START_MS);
    const { agent, authority, lines } = await setUp(clock);
    authority.failing = () => 'UNAVAILABLE: no connection';
    agent.start();
    await clock.advanceAsync(20_000, 50);
    expect(agent.state()).toMatchObject({ phase: 'waiting', lastError: 'UNAVAILABLE: no connection' });
    const tokens = authority.calls.map(({ proof }) => (proof.kind === 'token' ? proof.token : ''));
    expect(tokens.length).toBeGreaterThan(6);
    expect(new Set(tokens).size).toBe(tokens.length);
    expect(lines.every(({ level }) => level === 'warn')).toBe(true);
    authority.failing = undefined;
    await clock.advanceAsync(3_000, 50);
    expect((await agent.ready()).default.spiffeId).toBe(ID);
  });

  it('does not hang on a token source that never answers', async () => {
    const clock = new FakeClock(START_MS);
    let asked = 0;
    const never = (): string | Promise<string> => {
      asked += 1;
      return asked === 1 ? new Promise<string>(() => {}) : 'token';
    };
    const { agent } = await setUp(clock, { tokenSource: never });
    agent.start();
    await clock.advanceAsync(15_000, 100);
    await agent.ready();
    expect(asked).toBe(2);
  });

  it('is not waited for any more once the agent is closed', async () => {
    const { agent, authority } = await setUp(new FakeClock(START_MS));
    authority.failing = () => 'down';
    agent.start();
    const ready = agent.ready();
    agent.close();
    await expect(ready).rejects.toMatchObject({ code: 'WEFT_AGENT_CLOSED' });
    await expect(agent.ready()).rejects.toMatchObject({ code: 'WEFT_AGENT_CLOSED' });
  });
});

describe('renewal', () => {
  it('happens at half-life, by the current certificate, with a new key', async () => {
    const { agent, authority, clock } = await start(new FakeClock(START_MS));
    const first = agent.secrets()?.default;
    await clock.advanceAsync(11 * HOUR_MS + 45 * MINUTE_MS, 10 * MINUTE_MS);
    expect(authority.calls).toHaveLength(1);
    await clock.advanceAsync(30 * MINUTE_MS, 5_000);
    await renewed(agent, first?.expiresAt ?? 0);
    expect(authority.calls).toHaveLength(2);
    expect(authority.calls[1]).toMatchObject({ address: 'ca:15012', proof: { kind: 'certificate', secret: first } });
    expect(agent.secrets()?.default.privateKeyPem).not.toBe(first?.privateKeyPem);
  });

  it('is spread by one hundredth of the lifetime', async () => {
    const dueAt = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7, 8].map(async (seed) => {
        const { agent } = await start(new FakeClock(START_MS), { random: seededRandom(seed) });
        return (agent.state().renewAt ?? 0) - START_MS;
      }),
    );
    expect(new Set(dueAt).size).toBe(8);
    for (const due of dueAt) expect(Math.abs(due - 12 * HOUR_MS)).toBeLessThanOrEqual(0.01 * 24 * HOUR_MS);
  });

  it('falls back to a token when the certificate is not accepted', async () => {
    const { agent, authority } = await start(new FakeClock(START_MS));
    authority.failing = ({ proof }) => (proof.kind === 'certificate' ? 'UNAUTHENTICATED: no' : undefined);
    agent.renew();
    await calls(authority, 3);
    expect(authority.calls.slice(1).map(({ proof }) => proof.kind)).toEqual(['certificate', 'token']);
    await waitFor(() => agent.state().failures === 0 && authority.calls.length === 3);
  });

  it('is tried until it works, the former certificate serving meanwhile, loud from a fifth left', async () => {
    const { agent, authority, lines, clock } = await start(new FakeClock(START_MS));
    const first = agent.secrets()?.default;
    authority.failing = () => 'UNAVAILABLE: down';
    await clock.advanceAsync(19 * HOUR_MS, 5_000);
    expect(agent.secrets()?.default).toEqual(first);
    expect(agent.state().phase).toBe('serving');
    // About seven hours of tries, at most 30 s apart and twice each (certificate, then token).
    expect(authority.calls.length).toBeGreaterThan(7 * 120);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
    await clock.advanceAsync(HOUR_MS, 5_000);
    expect(agent.state().phase).toBe('alarm');
    const alarm = lines.filter(({ level }) => level === 'error');
    expect(alarm[0]).toMatchObject({ message: 'less than a fifth of the certificate is left' });
    expect(alarm.at(-1)).toMatchObject({ message: 'the certificate expires soon and can not be renewed' });
    authority.failing = undefined;
    await clock.advanceAsync(MINUTE_MS, 1_000);
    await renewed(agent, first?.expiresAt ?? 0);
    expect(agent.state()).toMatchObject({ phase: 'serving', failures: 0 });
  }, 30_000);

  it('goes on after the certificate expired, then with a token', async () => {
    const { agent, authority, lines, clock } = await start(new FakeClock(START_MS), { ttlMs: 10 * MINUTE_MS });
    authority.failing = () => 'UNAVAILABLE: down';
    await clock.advanceAsync(11 * MINUTE_MS, 1_000);
    expect(agent.state().phase).toBe('expired');
    expect(agent.secrets()).toBeDefined();
    expect(lines.at(-1)?.message).toContain('has expired');
    authority.failing = undefined;
    await clock.advanceAsync(MINUTE_MS, 1_000);
    await waitFor(() => agent.state().phase === 'serving');
    expect(authority.calls.at(-1)).toMatchObject({ address: 'ca:15013', proof: { kind: 'token' } });
  });

  it('is made up for within a minute of waking after a sleep', async () => {
    const { agent, authority, clock } = await start(new SuspendableClock(START_MS));
    const first = agent.secrets()?.default.expiresAt ?? 0;
    await clock.advanceAsync(HOUR_MS, MINUTE_MS);
    clock.sleep(20 * HOUR_MS);
    expect(authority.calls).toHaveLength(1);
    await clock.advanceAsync(MINUTE_MS, 1_000);
    expect(await renewed(agent, first)).toBe(clock.now() - (clock.now() % 1_000) + 24 * HOUR_MS);
  });

  it('uses no expired certificate after a long sleep', async () => {
    const { agent, authority, clock } = await start(new SuspendableClock(START_MS));
    clock.sleep(48 * HOUR_MS);
    await clock.advanceAsync(MINUTE_MS, 1_000);
    await waitFor(() => agent.state().phase === 'serving');
    expect(authority.calls.at(-1)?.proof.kind).toBe('token');
  });

  it('stops when the agent is closed', async () => {
    const { agent, authority, clock } = await start(new FakeClock(START_MS));
    agent.close();
    await clock.advanceAsync(48 * HOUR_MS, HOUR_MS);
    expect(authority.calls).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});

describe('a change of root', () => {
  it('reaches subscribers before the certificate under it', async () => {
    const { agent, authority } = await start(new FakeClock(START_MS));
    const seen: string[] = [];
    agent.subscribe((update) => {
      const roots = agent.secrets()?.rootCaPem === authority.rootsPem() ? 'all roots' : 'former roots';
      seen.push(`${update.name} with ${roots} trusted`);
    });
    await authority.replaceRoot();
    agent.renew();
    await waitFor(() => seen.length === 4);
    expect(seen.slice(2)).toEqual(['ROOTCA with all roots trusted', 'default with all roots trusted']);
    expect(agent.secrets()?.rootCaPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  it('that the root provider shows is acted on within a minute', async () => {
    const { agent, authority, clock } = await start(new FakeClock(START_MS));
    await authority.replaceRoot();
    await clock.advanceAsync(MINUTE_MS, 5_000);
    await calls(authority, 2);
    await waitFor(() => agent.secrets()?.rootCaPem === authority.rootsPem());
    await clock.advanceAsync(5 * MINUTE_MS, 5_000);
    expect(authority.calls).toHaveLength(2);
  });

  it('is not told of when there is none', async () => {
    const { agent } = await start(new FakeClock(START_MS));
    const seen: string[] = [];
    const stop = agent.subscribe(({ name }) => seen.push(name));
    agent.renew();
    await waitFor(() => seen.length === 3);
    expect(seen).toEqual(['ROOTCA', 'default', 'default']);
    stop();
    agent.renew();
    await waitFor(() => agent.state().failures === 0);
    expect(seen).toHaveLength(3);
  });
});

const other = await createTestAuthority(new FakeClock(START_MS), ID);
const stranger = await createTestAuthority(new FakeClock(START_MS), 'spiffe://cluster.local/ns/default/sa/ratings');

describe('an answer', () => {
  const rubbish = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

  it.each<[string, (chain: readonly string[]) => readonly string[], RegExp]>([
    ['without a root', ([leaf = '']) => [leaf], /no chain up to a root/],
    ['that is empty', () => [], /no chain up to a root/],
    ['with the root of somebody else', ([leaf = '']) => [leaf, other.rootsPem()], /does not lead to the root/],
    ['that is no certificate', ([, root = '']) => [rubbish, root], /can not be read/],
    ['with nothing in it', ([, root = '']) => ['', root], /no certificate or no root/],
    ['with the root as the leaf', ([, root = '']) => [root, root], /signing certificate/],
  ])('is refused %s', async (_, spoil, reason) => {
    const { agent, authority } = await setUp(new FakeClock(START_MS));
    authority.spoil = spoil;
    agent.start();
    const error = await waitFor(() => agent.state().lastError);
    expect(error).toMatch(reason);
    expect(agent.secrets()).toBeUndefined();
  });

  it('is refused for another identity, for another key, and when expired', async () => {
    const forStranger = await setUp(new FakeClock(START_MS), { request: stranger.request });
    forStranger.agent.start();
    expect(await waitFor(() => forStranger.agent.state().lastError)).toMatch(/it is for spiffe:.*ratings, not/);

    const replayed = await setUp(new FakeClock(START_MS));
    const earlier = await start(new FakeClock(START_MS));
    const chain = [earlier.agent.secrets()?.default.certChainPem ?? '', earlier.authority.rootsPem()];
    replayed.authority.spoil = () => chain;
    replayed.agent.start();
    expect(await waitFor(() => replayed.agent.state().lastError)).toMatch(/for another key/);

    const late = await setUp(new FakeClock(START_MS + 48 * HOUR_MS), { request: other.request });
    late.agent.start();
    expect(await waitFor(() => late.agent.state().lastError)).toMatch(/has expired/);
  });
});

describe('the log', () => {
  it('holds no token and no key', async () => {
    const { agent, authority, lines } = await start(new FakeClock(START_MS));
    authority.failing = () => 'UNAVAILABLE: down';
    agent.renew();
    await waitFor(() => agent.state().failures > 0);
    const text = JSON.stringify(lines);
    expect(text).not.toMatch(/token-\d|PRIVATE KEY/);
    expect(text).not.toContain(agent.secrets()?.default.privateKeyPem.split('\n')[1]);
  });
});
