import { PassThrough } from 'node:stream';
import { duplexPair } from '../test-support/duplex-pair.ts';
import type { ParentMessage } from '@weft/contracts';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { openParentChannel, openParentSocket } from './parent-channel.ts';
import { createSecretStore } from './secret-store.ts';

const secretOf = (n: number) => ({
  certChainPem: `chain ${n}`,
  privateKeyPem: `key ${n}`,
  spiffeId: 'spiffe://cluster.local/ns/default/sa/a',
  expiresAt: n,
});

describe('secret store', () => {
  it('tells what changed, when all of it is in place', () => {
    const store = createSecretStore();
    const told: string[] = [];
    const stop = store.onChange((name) =>
      told.push(`${name}: ${store.get('default')?.privateKey} ${store.get('ROOTCA')?.trustedCa}`),
    );
    expect(store.get('default')).toBeUndefined();
    expect(store.identity).toBeUndefined();
    store.replace(secretOf(1), 'root 1');
    store.replace(secretOf(1), 'root 1');
    store.replace(secretOf(2), 'root 1');
    store.replace(secretOf(2), 'root 2');
    stop();
    store.replace(secretOf(3), 'root 3');
    expect(told).toEqual([
      'default: key 1 root 1',
      'ROOTCA: key 1 root 1',
      'default: key 2 root 1',
      'ROOTCA: key 2 root 2',
    ]);
    expect(store.get('default')).toEqual({ certificateChain: 'chain 3', privateKey: 'key 3' });
    expect(store.identity?.rootCaPem).toBe('root 3');
  });
});

describe('parent channel', () => {
  const open = () => {
    const [ours, theirs] = duplexPair();
    const messages: ParentMessage[] = [];
    const closed: string[] = [];
    const channel = openParentChannel(ours, {
      onMessage: (message) => messages.push(message),
      onClose: (reason) => closed.push(reason),
    });
    return { channel, theirs, messages, closed };
  };
  it('takes one message a line, however the bytes arrive', async () => {
    const { theirs, messages, channel } = open();
    const line = `${JSON.stringify({ type: 'admin-token', token: 'ü' })}\n`;
    for (const byte of Buffer.from(line)) theirs.write(Buffer.of(byte));
    theirs.write('{"type":"drain","deadlineMs":5}\n{"type":"log-le');
    theirs.write('vel","level":"debug"}\n');
    await waitFor(() => messages.length === 3);
    expect(messages.map(({ type }) => type)).toEqual(['admin-token', 'drain', 'log-level']);
    channel.send({ type: 'ready' });
    await waitFor(() => theirs.readableLength > 0);
    expect(String(theirs.read())).toBe('{"type":"ready"}\n');
  });
  it('ends once when the parent goes', async () => {
    const { theirs, closed } = open();
    theirs.end();
    await waitFor(() => closed.length > 0);
    expect(closed).toEqual(['closed by the other side']);
  });
  it.each([
    ['no JSON', 'hello\n', 'a message is not JSON'],
    ['no end of line', 'x'.repeat((1 << 20) + 1), 'a message is too long'],
  ])('ends on %s', async (_, text, reason) => {
    const { theirs, closed } = open();
    theirs.write(text);
    await waitFor(() => closed.length > 0);
    expect(closed).toEqual([reason]);
  });
  it('names the flag when the descriptor is none', () => {
    expect(() => openParentSocket(987)).toThrow('descriptor 987 is not a socket from a parent');
  });
  it('is quiet when closed here', async () => {
    const { channel, theirs, closed } = open();
    channel.close();
    theirs.destroy();
    await new Promise((resolve) => new PassThrough().end(resolve));
    expect(closed).toEqual([]);
  });
});
