import { silentLogger } from '@weft/kit';
import { FakeClock, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import type { ParentMessage } from '@weft/contracts';
import { createAgent } from './agent.ts';
import { handOver } from './hand-over.ts';
import { createTestAuthority } from './testing/test-authority.ts';

type Secrets = Extract<ParentMessage, { type: 'secrets' }>;

describe('handOver', () => {
  it('writes a line at the start and on each change, roots first, until stopped', async () => {
    const clock = new FakeClock(Date.UTC(2026, 5, 1));
    const authority = await createTestAuthority(clock, 'spiffe://cluster.local/ns/default/sa/reviews');
    const agent = createAgent({
      identity: { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'reviews' },
      tokenSource: () => 'token',
      caAddress: () => ({ token: 'ca:1', peer: 'ca:2' }),
      caRootPem: () => authority.rootsPem(),
      logger: silentLogger,
      clock,
      request: authority.request,
    });
    let written = '';
    const messages = (): Secrets[] =>
      written
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Secrets);
    const stop = handOver(agent, { write: (text) => (written += text) });
    expect(written).toBe('');

    agent.start();
    const first = await agent.ready();
    expect(messages()).toEqual([{ type: 'secrets', default: first.default, rootCaPem: first.rootCaPem }]);

    await authority.replaceRoot();
    agent.renew();
    await waitFor(() => messages().length === 3);
    const [, rootFirst, rotated] = messages();
    expect(rootFirst).toEqual({ type: 'secrets', default: first.default, rootCaPem: authority.rootsPem() });
    expect(rotated).toEqual({ type: 'secrets', ...agent.secrets() });
    expect(rotated?.default.privateKeyPem).not.toBe(first.default.privateKeyPem);

    // A proxy that is started later gets what there is in one message.
    let restarted = '';
    handOver(agent, { write: (text) => (restarted += text) })();
    expect(JSON.parse(restarted)).toEqual({ type: 'secrets', ...agent.secrets() });

    stop();
    agent.renew();
    await waitFor(() => agent.secrets()?.default.privateKeyPem !== rotated?.default.privateKeyPem);
    expect(messages()).toHaveLength(3);
    agent.close();
  });
});
