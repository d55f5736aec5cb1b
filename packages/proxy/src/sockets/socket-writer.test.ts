import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type NetConnectOpts, type Socket } from 'node:net';
import { waitFor } from '@weft/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SocketWriter } from './socket-writer.ts';
import { WriteSlabs } from './write-slabs.ts';

const KB = 1024;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function pair() {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', writableHighWaterMark: 8 * KB } as NetConnectOpts);
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown,
  ];
  const writes: number[] = [];
  const write = client.write.bind(client) as (...args: unknown[]) => boolean;
  client.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    writes.push(chunk.length);
    return write(chunk, ...rest);
  };
  const slabs = new WriteSlabs();
  return {
    client,
    accepted,
    slabs,
    writer: new SocketWriter(client, slabs),
    /** Lengths of what was written, one for each write. */
    writes,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      accepted.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

describe('what one turn writes', () => {
  it('leaves at once when it is small or the message is over, and together when it comes in pieces', async () => {
    await using ends = await pair();
    const { writer, writes, accepted } = ends;
    accepted.resume();
    const record = Buffer.alloc(16 * KB, 'x');
    writer.text('head\r\n\r\n');
    writer.bytes(record, 0, 1000);
    writer.flush();
    expect(writes).toEqual([1008]);

    for (let i = 0; i < 4; i += 1) {
      writer.bytes(record, 0, record.length);
      writer.flush();
    }
    expect(writes).toEqual([1008]);
    expect(writer.gathered).toBe(64 * KB);
    await nextTurn();
    expect(writes).toEqual([1008, 64 * KB]);
    expect(writer.gathered).toBe(0);

    writer.bytes(record, 0, record.length);
    writer.text('0\r\n\r\n');
    writer.flushNow();
    expect(writes).toEqual([1008, 64 * KB, 16 * KB + 5]);
    expect(writer.total).toBe(1008 + 80 * KB + 5);
    await nextTurn();
    expect(writes).toHaveLength(3);
  });

  it('is never more than one slab, however much comes', async () => {
    await using ends = await pair();
    const { writer, writes, accepted } = ends;
    accepted.resume();
    const record = Buffer.alloc(16 * KB, 'x');
    for (let i = 0; i < 40; i += 1) {
      writer.bytes(record, 0, record.length);
      expect(writer.gathered).toBeLessThanOrEqual(264 * KB);
      // Whoever reads gets on.
      if (i % 4 === 3) await nextTurn();
    }
    writer.flushNow();
    expect(writes.reduce((sum, one) => sum + one, 0)).toBe(640 * KB);
    expect(writes.length).toBeLessThan(20);
  });

  it('arrives as it was, whatever the order and the sizes', async () => {
    const step = fc.oneof(
      fc.record({ text: fc.nat(70_000) }),
      fc.record({ bytes: fc.nat(70_000) }),
      fc.record({ bytes: fc.nat(6_000) }),
      fc.constantFrom({ flush: true } as const, { turn: true } as const, { now: true } as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        await using ends = await pair();
        const { writer, accepted, client } = ends;
        const received: Buffer[] = [];
        accepted.on('data', (part: Buffer) => received.push(part)).resume();
        const shared = Buffer.alloc(70_000);
        const expected: Buffer[] = [];
        let letter = 0;
        for (const one of steps) {
          letter = (letter + 1) % 26;
          if ('text' in one) {
            const text = String.fromCharCode(0xe0 + letter).repeat(one.text);
            writer.text(text);
            expected.push(Buffer.from(text, 'latin1'));
          } else if ('bytes' in one) {
            shared.fill(97 + letter);
            writer.bytes(shared, 0, one.bytes);
            expected.push(Buffer.alloc(one.bytes, 97 + letter));
            shared.fill(0);
          } else if ('turn' in one) await nextTurn();
          else if ('now' in one) writer.flushNow();
          else writer.flush();
        }
        writer.flushNow();
        client.end();
        await once(accepted, 'end');
        expect(Buffer.concat(received).equals(Buffer.concat(expected))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it('holds back who fetches more while the socket takes nothing, and not when the kernel took it', async () => {
    await using ends = await pair();
    const { writer, client, accepted } = ends;
    const bytes = Buffer.alloc(64 * KB, 'x');
    writer.bytes(bytes, 0, 10 * KB);
    writer.flushNow();
    expect(writer.congested).toBe(false);
    let written = 1;
    while (!writer.congested && written < 1000) {
      writer.bytes(bytes, 0, bytes.length);
      written += 1;
    }
    expect(writer.congested).toBe(true);
    const drained = once(client, 'drain');
    accepted.resume();
    await drained;
    expect(writer.congested).toBe(false);
  });

  it('is dropped with the socket, and its memory used again', async () => {
    await using ends = await pair();
    const { writer, writes, slabs, client } = ends;
    const record = Buffer.alloc(16 * KB, 'x');
    writer.bytes(record, 0, record.length);
    writer.discard();
    expect([slabs.spare, writer.gathered]).toEqual([1, 0]);
    writer.bytes(record, 0, record.length);
    writer.flush();
    client.destroy();
    await waitFor(() => slabs.spare === 1);
    expect(writes).toEqual([]);
  });
});
