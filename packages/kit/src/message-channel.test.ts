import { Duplex, PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { openMessageChannel } from './message-channel.ts';

function channel() {
  const incoming = new PassThrough();
  const outgoing = new PassThrough();
  const messages: unknown[] = [];
  const closed: string[] = [];
  const opened = openMessageChannel<unknown, unknown>(
    Duplex.from({ readable: incoming, writable: outgoing }),
    (message) => messages.push(message),
    (reason) => closed.push(reason),
  );
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  return { incoming, outgoing, messages, closed, opened, turn };
}

describe('openMessageChannel', () => {
  it('puts messages together that come in pieces, and several that come at once', async () => {
    const { incoming, messages, turn } = channel();
    incoming.write('{"a":');
    incoming.write('1}\n{"b":"é');
    incoming.write('"}\n3\n');
    await turn();
    expect(messages).toEqual([{ a: 1 }, { b: 'é' }, 3]);
  });
  it('writes one line for each', async () => {
    const { outgoing, opened, turn } = channel();
    opened.send({ a: 'x\ny' });
    opened.send([1]);
    await turn();
    expect(outgoing.read()?.toString()).toBe('{"a":"x\\ny"}\n[1]\n');
  });
  it('closes once, and takes nothing after what is no message', async () => {
    const { incoming, messages, closed, opened, turn } = channel();
    incoming.write('1\nnonsense\n2\n');
    await turn();
    opened.close();
    opened.send(1);
    expect([messages, closed]).toEqual([[1], ['a message is not JSON']]);
  });
});
