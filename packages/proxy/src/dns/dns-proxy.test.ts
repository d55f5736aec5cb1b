import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { answersQuestion, createFrameReader, frame, parseQuery, RCODE, TYPE, writeReply } from '@weft/capture/dns';
import { NameTableSchema } from '@weft/contracts/lean/istio/networking/nds/v1/nds';
import { seededRandom, silentLogger, systemClock } from '@weft/kit';
import { freePort, tempDir, waitFor } from '@weft/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { loadSocketCalls, markedSockets, type OpenMarked } from '../sockets/native-sockets.ts';
import { createStats } from '../stats/stats.ts';
import { workloadOfMetadata } from '../stats/workload-labels.ts';
import { startDnsProxy, type DnsProxyDeps } from './dns-proxy.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const NAMES = create(NameTableSchema, {
  table: {
    'reviews.default.svc.cluster.local': {
      ips: ['10.96.0.7'],
      registry: 'Kubernetes',
      shortname: 'reviews',
      namespace: 'default',
    },
    'ratings.other.svc.cluster.local': {
      ips: ['10.96.0.8', 'fd00::8'],
      registry: 'Kubernetes',
      shortname: 'ratings',
      namespace: 'other',
    },
    'many.example.com': { ips: Array.from({ length: 100 }, (_, i) => `240.240.0.${i}`), registry: 'External' },
    '*.example.com': { ips: ['240.240.1.1'], registry: 'External' },
  },
});

async function start(deps: Partial<DnsProxyDeps> = {}, named = true) {
  const stats = createStats(workloadOfMetadata({}));
  const dns = await startDnsProxy({
    listen: { host: '127.0.0.1', port: 0 },
    upstream: undefined,
    namespace: 'default',
    clusterDomain: 'cluster.local',
    stats,
    clock: systemClock,
    random: seededRandom(5),
    logger: silentLogger,
    ...deps,
  });
  closers.push(() => dns.close());
  if (named) dns.setNames([NAMES]);
  const resolver = new Resolver({ timeout: 5_000, tries: 1 });
  resolver.setServers([dns.address]);
  closers.push(() => resolver.cancel());
  const port = Number(dns.address.split(':')[1]);
  return { dns, resolver, port, stat: (name: string) => stats.valueOf(`dns.${name}`) };
}

const addressOf = (server: Server | DatagramSocket): AddressInfo => server.address() as AddressInfo;
type Answer = (message: Buffer) => Buffer | undefined;

interface NameServer {
  readonly asked: readonly string[];
  readonly upstream: { readonly kind: 'ip'; readonly address: string; readonly port: number };
}

/** A name server by datagram and, under the same port, by stream. */
async function nameServer(answer: Answer): Promise<NameServer> {
  const asked: string[] = [];
  const datagrams = createSocket('udp4');
  datagrams.on('message', (message, from) => {
    asked.push('udp');
    const reply = answer(message);
    if (reply !== undefined) datagrams.send(reply, from.port, from.address);
  });
  datagrams.bind(0, '127.0.0.1');
  await once(datagrams, 'listening');
  const { port } = addressOf(datagrams);
  const streams = streamServer(answer, () => asked.push('tcp'));
  const isFree = await new Promise<boolean>((resolve) => {
    streams.once('error', () => resolve(false));
    streams.listen(port, '127.0.0.1', () => resolve(true));
  });
  closers.push(() => datagrams.close());
  // Free for datagrams, taken for streams.
  if (!isFree) return nameServer(answer);
  closers.push(() => streams.close());
  return { asked, upstream: { kind: 'ip', address: '127.0.0.1', port } as const };
}

function streamServer(answer: Answer, onAsked: () => void): Server {
  return createServer((connection) => {
    const frames = createFrameReader();
    connection.on('error', () => {});
    connection.on('data', (chunk: Buffer) => {
      for (const message of frames.push(chunk)) {
        onAsked();
        const reply = answer(message);
        if (reply !== undefined) connection.end(frame(reply));
      }
    });
  });
}

const addresses =
  (count: number): Answer =>
  (message) => {
    const parsed = parseQuery(message);
    if (parsed.kind !== 'query') throw new Error(parsed.kind);
    const one = { type: TYPE.A, bytes: Uint8Array.of(192, 0, 2, 1) } as const;
    return writeReply(parsed.query, { addresses: Array.from({ length: count }, () => one), ttlSeconds: 5 });
  };

function question(name: string, id = 77): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  const head = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}

async function askUdp(port: number, message: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  socket.send(message, port, '127.0.0.1');
  const [reply] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return reply;
}
const rcodeOf = (reply: Buffer): number => (reply[3] ?? 0) & 0xf;
const isTruncated = (reply: Buffer): boolean => ((reply[2] ?? 0) & 2) !== 0;

describe('names of the mesh', () => {
  it('have their addresses, in every form that a workload of the namespace may write', async () => {
    const { resolver, stat } = await start();
    for (const name of ['reviews', 'reviews.default', 'REVIEWS.default.svc', 'reviews.default.svc.cluster.local.'])
      expect(await resolver.resolve4(name, { ttl: true })).toEqual([{ address: '10.96.0.7', ttl: 30 }]);
    expect(await resolver.resolve4('ratings.other')).toEqual(['10.96.0.8']);
    expect(await resolver.resolve6('ratings.other.svc.cluster.local')).toEqual(['fd00::8']);
    expect(await resolver.resolve4('a.b.example.com')).toEqual(['240.240.1.1']);
    await expect(resolver.resolve6('reviews')).rejects.toMatchObject({ code: 'ENODATA' });
    expect([stat('rq_answered'), stat('udp_rq_total'), stat('names')]).toEqual([8, 8, 4]);
  });
  it('have long lists too: the asker comes back by TCP', async () => {
    const { resolver, stat } = await start();
    expect(await resolver.resolve4('many.example.com')).toHaveLength(100);
    expect([stat('udp_rq_total'), stat('tcp_rq_total')]).toEqual([1, 1]);
  });
  it('are what the latest table says', async () => {
    const { dns, resolver } = await start();
    dns.setNames([create(NameTableSchema, { table: { 'reviews.default': { ips: ['10.1.1.1'] } } })]);
    expect(await resolver.resolve4('reviews.default')).toEqual(['10.1.1.1']);
  });
});

describe('names of others, without a name server', () => {
  it('are denied in the mesh’s domain alone', async () => {
    const { port, stat } = await start();
    expect(rcodeOf(await askUdp(port, question('nobody.default.svc.cluster.local')))).toBe(RCODE.NXDOMAIN);
    expect(rcodeOf(await askUdp(port, question('www.example.org')))).toBe(RCODE.SERVFAIL);
    expect(stat('rq_unknown')).toBe(2);
  });
  it('are not denied before the table has come', async () => {
    const { port } = await start({}, false);
    expect(rcodeOf(await askUdp(port, question('reviews.default.svc.cluster.local')))).toBe(RCODE.SERVFAIL);
  });
});

describe('names of others', () => {
  it('are asked of the name server, by the way they were asked', async () => {
    const { upstream, asked } = await nameServer(addresses(1));
    const { resolver, port, stat } = await start({ upstream });
    expect(await resolver.resolve4('www.example.org', { ttl: true })).toEqual([{ address: '192.0.2.1', ttl: 5 }]);
    const connection = connect(port, '127.0.0.1');
    connection.write(frame(question('www.example.org')));
    const [chunk] = (await once(connection, 'data')) as [Buffer];
    connection.destroy();
    expect(chunk.readUInt16BE(2)).toBe(77);
    expect(asked).toEqual(['udp', 'tcp']);
    expect([stat('upstream_rq_total'), stat('upstream_rq_active')]).toEqual([2, 0]);
  });
  it('are asked through a socket of the machine, and long answers are cut for those who asked by datagram', async () => {
    const dir = await tempDir();
    closers.push(() => dir.remove());
    const path = join(dir.path, 'dns.sock');
    let asked = 0;
    const server = streamServer(
      (message) => addresses(asked > 1 ? 60 : 1)(message),
      () => (asked += 1),
    );
    server.listen(path);
    await once(server, 'listening');
    closers.push(() => server.close());
    const { resolver, port } = await start({ upstream: { kind: 'unix', path } });
    expect(await resolver.resolve4('www.example.org')).toEqual(['192.0.2.1']);
    const cut = await askUdp(port, question('long.example.org'));
    expect([isTruncated(cut), cut.length <= 512]).toEqual([true, true]);
    expect(await resolver.resolve4('long.example.org')).toHaveLength(60);
  });
  it('are not asked in a domain that no other server has', async () => {
    const { upstream, asked } = await nameServer(addresses(1));
    const { port, resolver, dns } = await start({ upstream, authoritative: true });
    expect(rcodeOf(await askUdp(port, question('www.example.org.default.svc.cluster.local')))).toBe(RCODE.NXDOMAIN);
    expect(asked).toEqual([]);
    expect(await resolver.resolve4('www.example.org')).toEqual(['192.0.2.1']);
    dns.setNames([]);
    expect(rcodeOf(await askUdp(port, question('reviews.default.svc.cluster.local')))).toBe(RCODE.SERVFAIL);
  });
  it('fail when the server does not answer in time', async () => {
    const { upstream } = await nameServer(() => undefined);
    const { port, stat } = await start({ upstream, upstreamTimeoutMs: 50 });
    expect(rcodeOf(await askUdp(port, question('www.example.org')))).toBe(RCODE.SERVFAIL);
    expect(stat('upstream_rq_timeout')).toBe(1);
  });
  it('fail at once when there is no server', async () => {
    const upstream = { kind: 'ip', address: '127.0.0.1', port: await freePort() } as const;
    const { port, stat } = await start({ upstream });
    expect(rcodeOf(await askUdp(port, question('www.example.org')))).toBe(RCODE.SERVFAIL);
    expect(stat('upstream_rq_error')).toBe(1);
    for (const other of [
      { kind: 'unix', path: '/nonexistent/dns.sock' },
      // Nobody may connect there without asking for it.
      { kind: 'ip', address: '255.255.255.255', port: 53 },
    ] as const) {
      const none = await start({ upstream: other });
      expect(rcodeOf(await askUdp(none.port, question('www.example.org')))).toBe(RCODE.SERVFAIL);
      expect(none.stat('upstream_rq_error')).toBe(1);
    }
  });
  it('fail when too many wait, and the mesh’s own are still answered', async () => {
    const waiting: Buffer[] = [];
    const { upstream } = await nameServer((message) => void waiting.push(message));
    const { port, resolver, stat } = await start({ upstream, maxInFlight: 2 });
    const held = [question('a.example.org', 1), question('b.example.org', 2)].map((message) => {
      const socket = createSocket('udp4');
      socket.send(message, port, '127.0.0.1');
      return socket;
    });
    closers.push(() => held.forEach((socket) => socket.close()));
    await waitFor(() => waiting.length === 2);
    expect(stat('upstream_rq_active')).toBe(2);
    expect(rcodeOf(await askUdp(port, question('c.example.org')))).toBe(RCODE.SERVFAIL);
    expect(stat('upstream_rq_overflow')).toBe(1);
    expect(await resolver.resolve4('reviews')).toEqual(['10.96.0.7']);
  });
  it('are not answered by what does not fit the question', async () => {
    const seen: Buffer[] = [];
    const { upstream } = await nameServer((message) => {
      seen.push(message);
      // Somebody who saw neither id nor question; and who would send another name.
      return seen.length === 1 ? addresses(1)(question('evil.example.org', message.readUInt16BE(0))) : undefined;
    });
    const { port, stat } = await start({ upstream, upstreamTimeoutMs: 100 });
    expect(rcodeOf(await askUdp(port, question('www.example.org')))).toBe(RCODE.SERVFAIL);
    expect(stat('upstream_rq_timeout')).toBe(1);
  });
  it('are asked with other ids than the asker’s, which come back', async () => {
    const ids: number[] = [];
    const { upstream } = await nameServer((message) => {
      ids.push(message.readUInt16BE(0));
      return addresses(1)(message);
    });
    const { port } = await start({ upstream });
    const message = question('www.example.org');
    for (let turn = 0; turn < 3; turn += 1) {
      const reply = await askUdp(port, message);
      const parsed = parseQuery(message);
      expect(parsed.kind === 'query' && answersQuestion(reply, 77, parsed.query)).toBe(true);
    }
    expect(new Set([...ids, 77]).size).toBe(4);
  });
});

describe('marked questions', () => {
  it('go out by datagram and by stream like others', async (context) => {
    const opened: string[] = [];
    let openMarked: OpenMarked;
    try {
      const open = markedSockets(loadSocketCalls(), 1337);
      openMarked = (address, kind = 'stream') => {
        opened.push(kind);
        return open(address, kind);
      };
    } catch (error) {
      return context.skip(`no marks here: ${String(error)}`);
    }
    const { upstream, asked } = await nameServer(addresses(60));
    const { resolver } = await start({ upstream, openMarked });
    expect(await resolver.resolve4('www.example.org')).toHaveLength(60);
    expect([asked, opened]).toEqual([
      ['udp', 'tcp'],
      ['datagram', 'stream'],
    ]);
  });
});

describe('what is no question', () => {
  it('is refused or not answered, and nothing breaks', async () => {
    const { port, resolver, stat } = await start();
    const reply = await askUdp(port, question('a').subarray(0, 14));
    expect(rcodeOf(reply)).toBe(RCODE.FORMERR);
    const socket = createSocket('udp4');
    closers.push(() => socket.close());
    socket.send(Buffer.from('x'), port, '127.0.0.1');
    await waitFor(() => stat('rq_malformed') === 2);
    expect(await resolver.resolve4('reviews')).toEqual(['10.96.0.7']);
  });
});

describe('startDnsProxy', () => {
  it('says when its address is taken, and leaves nothing behind', async () => {
    const { port } = await start();
    await expect(start({ listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({ code: 'WEFT_LISTEN' });
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    closers.push(() => other.close());
    const taken = addressOf(other).port;
    await expect(start({ listen: { host: '127.0.0.1', port: taken } })).rejects.toMatchObject({ code: 'WEFT_LISTEN' });
    const again = createSocket('udp4');
    again.bind(taken, '127.0.0.1');
    await once(again, 'listening');
    again.close();
  });
});
