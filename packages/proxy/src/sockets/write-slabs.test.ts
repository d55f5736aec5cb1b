import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { WriteSlabs } from './write-slabs.ts';

async function pair() {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const [accepted] = (await once(server, 'connection')) as [Socket];
  return {
    client,
    accepted,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      accepted.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

describe('slabs', () => {
  it('carry text and bytes as they were when they were written, and are used again', async () => {
    await using ends = await pair();
    const { client, accepted } = ends;
    const slabs = new WriteSlabs();
    const received: Buffer[] = [];
    accepted.on('data', (part: Buffer) => received.push(part)).resume();
    const shared = Buffer.alloc(60_000);
    const expected: string[] = [];
    for (let round = 0; round < 50; round += 1) {
      shared.fill(97 + (round % 26));
      slabs.write(client, `<${round}\xe9>`, shared, 10, 10 + 1_000 * (round + 1));
      expected.push(`<${round}\xe9>${String.fromCharCode(97 + (round % 26)).repeat(1_000 * (round + 1))}`);
      shared.fill(0);
      if (round % 5 === 4) await new Promise(setImmediate);
    }
    client.end();
    await once(accepted, 'end');
    expect(Buffer.concat(received).toString('latin1')).toBe(expected.join(''));
    await waitFor(() => slabs.spare > 0);
  });

  it('are not held by who reads slowly, nor lost with who leaves', async () => {
    await using ends = await pair();
    const { client, accepted } = ends;
    const slabs = new WriteSlabs();
    const bytes = Buffer.alloc(64 * 1024, 'x');
    let writes = 0;
    while (client.writableLength < 1024 * 1024) {
      slabs.write(client, '', bytes, 0, bytes.length);
      writes += 1;
      await new Promise(setImmediate);
    }
    expect(writes).toBeGreaterThan(10);
    // What went through at once is back; of what waits, only the first writes hold one.
    const before = slabs.spare;
    accepted.destroy();
    client.on('error', () => {}).destroy();
    await waitFor(() => slabs.spare > before || client.closed);
    expect(slabs.spare).toBeLessThanOrEqual(before + 2);
  });
});
