import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createFrameReader, frame } from '@weft/capture/dns';
import { tempDir } from '@weft/testkit';
import { serveDnsRelay, type DnsRelayOptions } from './dns-relay.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const [A, AAAA] = [1, 28];

const query = (id: number, name: string, type = A): Buffer =>
  Buffer.concat([
    Buffer.from([id >> 8, id & 255, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]),
    ...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0, 0, type, 0, 1]),
  ]);

/** A name server that answers with the question, marked as an answer; over UDP cut short when asked for "long", and of another name for "forged". */
async function nameServer(): Promise<{ port: number; asked: () => number }> {
  let asked = 0;
  const answer = (question: Buffer, cut: boolean): Buffer => {
    const copy = Buffer.from(question);
    copy[2] = 0x81 | (cut ? 0x02 : 0);
    if (question.includes('forged')) copy.write('other ', copy.indexOf('forged'));
    return copy;
  };
  const tcp = createServer((socket) => {
    const frames = createFrameReader();
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      for (const message of frames.push(data)) socket.write(frame(answer(message, false)));
    });
  }).listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    asked += 1;
    if (message.includes('silent')) return;
    udp.send(answer(message, message.includes('long')), from.port, from.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  cleanups.push(
    () => void udp.close(),
    () => void tcp.close(),
  );
  return { port, asked: () => asked };
}

async function relay(options: Partial<DnsRelayOptions>): Promise<(...queries: Buffer[]) => Promise<Buffer[]>> {
  const dir = await tempDir();
  const socketPath = join(dir.path, 'dns.sock');
  const served = await serveDnsRelay({ socketPath, timeoutMs: 300, nameServers: () => ['127.0.0.1'], ...options });
  cleanups.push(
    () => dir.remove(),
    () => served.close(),
  );
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  return (...queries) =>
    new Promise((resolve) => {
      const socket = connect(socketPath);
      const frames = createFrameReader();
      const answers: Buffer[] = [];
      // What is shorter than a header has no id to answer to.
      const expected = queries.filter(({ length }) => length >= 12).length;
      socket.on('data', (chunk: Buffer) => {
        answers.push(...frames.push(chunk));
        if (answers.length < expected) return;
        socket.destroy();
        resolve(answers);
      });
      socket.write(Buffer.concat(queries.map(frame)));
    });
}

const code = (message: Buffer | undefined): number => (message?.[3] ?? 0) & 0x0f;

describe('serveDnsRelay', () => {
  it('forwards questions, several on one connection, and answers each by its id', async () => {
    const server = await nameServer();
    const ask = await relay({ port: server.port });
    const answers = await ask(query(1, 'a.example'), query(2, 'b.example'));
    expect(answers.map((answer) => answer.readUInt16BE(0)).toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(server.asked()).toBe(2);
  });

  it('asks again over TCP when the answer was too long', async () => {
    const ask = await relay({ port: (await nameServer()).port });
    const [answer] = await ask(query(3, 'long.example'));
    expect([answer?.readUInt16BE(0), (answer?.[2] ?? 0) & 0x02]).toEqual([3, 0]);
  });

  it('knows the host itself, and does not ask for it', async () => {
    const server = await nameServer();
    const ask = await relay({ port: server.port });
    const [answer] = await ask(query(4, 'Host.weft.internal'));
    expect([...(answer?.subarray(-4) ?? [])]).toEqual([10, 244, 255, 254]);
    expect(server.asked()).toBe(0);
  });

  it('says that it failed when nobody answers, after every name server', async () => {
    const server = await nameServer();
    const ask = await relay({ port: server.port, nameServers: () => ['127.0.0.1', '127.0.0.1'] });
    const [answer] = await ask(query(5, 'silent.example'));
    expect([code(answer), server.asked()]).toEqual([2, 2]);
    const nowhere = await relay({ nameServers: () => [] });
    expect(code((await nowhere(query(6, 'a.example')))[0])).toBe(2);
  });

  it('has no other address of the host', async () => {
    const server = await nameServer();
    const ask = await relay({ port: server.port });
    const [answer] = await ask(query(7, 'host.weft.internal', AAAA));
    expect([code(answer), answer?.readUInt16BE(6), server.asked()]).toEqual([0, 0, 0]);
  });

  it('takes an answer to another question for none', async () => {
    const ask = await relay({ port: (await nameServer()).port });
    const [answer] = await ask(query(8, 'forged.example'));
    expect([answer?.readUInt16BE(0), code(answer)]).toEqual([8, 2]);
  });

  it('refuses what is no question, and goes on', async () => {
    const ask = await relay({ port: (await nameServer()).port });
    const unreadable = Buffer.from([0, 7]);
    const questionless = query(9, 'a.example').subarray(0, 12);
    const answers = await ask(unreadable, questionless, query(10, 'b.example'));
    expect(Object.fromEntries(answers.map((answer) => [answer.readUInt16BE(0), code(answer)]))).toEqual({
      9: 1,
      10: 0,
    });
  });
});
