/** Forwards DNS questions that pods could not answer to the host's name servers. Runs on the host, serves a Unix socket. */
import { createSocket } from 'node:dgram';
import { chmodSync, readFileSync } from 'node:fs';
import { connect, createServer, isIPv6, type Socket } from 'node:net';
import {
  answersQuestion,
  createFrameReader,
  type DnsQuery,
  frame,
  isTruncated,
  type ParsedQuery,
  parseQuery,
  RCODE,
  TYPE,
  writeReply,
} from '@weft/capture/dns';
import { HOST_ADDRESS, HOST_NAME } from './address-plan.ts';
import { nameServers } from './name-servers.ts';

export interface DnsRelay {
  close(): void;
}

export interface DnsRelayOptions {
  readonly socketPath: string;
  readonly nameServers?: () => readonly string[];
  readonly port?: number;
  /** Patience with one name server. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 3_000;
// Per connection, which is one sidecar's; more wait for no answer.
const MAX_OPEN = 256;
const HOST_TTL_SECONDS = 30;
const HOST_RECORD = { type: TYPE.A, bytes: Uint8Array.from(HOST_ADDRESS.split('.').map(Number)) };

export async function serveDnsRelay(options: DnsRelayOptions): Promise<DnsRelay> {
  const servers = options.nameServers ?? hostNameServers;
  const ask = { port: options.port ?? 53, timeoutMs: options.timeoutMs ?? TIMEOUT_MS };
  const clients = new Set<Socket>();

  const answerTo = async (message: Buffer, parsed: Readable): Promise<Buffer> => {
    if (parsed.kind === 'refused') return parsed.reply;
    const { query } = parsed;
    if (query.name === HOST_NAME) return hostAnswer(query);
    for (const server of servers()) {
      const short = await overUdp(message, query, server, ask);
      if (!short) continue;
      return isTruncated(short) ? ((await overTcp(message, query, server, ask)) ?? short) : short;
    }
    return failureAnswer(parsed);
  };

  const server = createServer((client) => {
    const frames = createFrameReader();
    let open = 0;
    clients.add(client);
    client.on('error', () => {});
    client.on('close', () => clients.delete(client));
    client.on('data', (data: Buffer) => {
      for (const message of frames.push(data)) {
        const parsed = parseQuery(message);
        // Without an id there is nobody to answer.
        if (parsed.kind === 'unreadable') continue;
        if (open >= MAX_OPEN) {
          client.write(frame(failureAnswer(parsed)));
          continue;
        }
        open += 1;
        void answerTo(message, parsed).then((answer) => {
          open -= 1;
          if (client.writable) client.write(frame(answer));
        });
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.socketPath, resolve);
  });
  chmodSync(options.socketPath, 0o600);
  return {
    close() {
      server.close();
      clients.forEach((client) => client.destroy());
    },
  };
}

type Readable = Exclude<ParsedQuery, { readonly kind: 'unreadable' }>;

/** What is said when no name server answers. */
const failureAnswer = (parsed: Readable): Buffer =>
  parsed.kind === 'refused' ? parsed.reply : writeReply(parsed.query, { rcode: RCODE.SERVFAIL });

/** The host has an IPv4 address and nothing else. */
const hostAnswer = (query: DnsQuery): Buffer =>
  writeReply(query, { addresses: query.type === TYPE.A ? [HOST_RECORD] : [], ttlSeconds: HOST_TTL_SECONDS });

/** Read each time: a laptop changes its network. */
function hostNameServers(): readonly string[] {
  try {
    return nameServers(readFileSync('/etc/resolv.conf', 'utf8'));
  } catch {
    return nameServers('');
  }
}

interface Ask {
  readonly port: number;
  readonly timeoutMs: number;
}

/** A socket, and so a source port, for each question. @returns undefined when nobody answers in time. */
function overUdp(
  message: Buffer,
  query: DnsQuery,
  server: string,
  { port, timeoutMs }: Ask,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
    const finish = (answer: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    socket.once('error', () => finish(undefined));
    socket.on('message', (answer: Buffer) => {
      if (answersQuestion(answer, query.id, query)) finish(answer);
    });
    socket.once('connect', () => socket.send(message));
    // Answers of others are then refused by the system.
    socket.connect(port, server);
  });
}

function overTcp(
  message: Buffer,
  query: DnsQuery,
  server: string,
  { port, timeoutMs }: Ask,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const frames = createFrameReader();
    let answer: Buffer | undefined;
    const socket = connect({ host: server, port });
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const [first] = frames.push(chunk);
      if (first === undefined) return;
      if (answersQuestion(first, query.id, query)) answer = first;
      socket.destroy();
    });
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
    socket.write(frame(message));
  });
}
