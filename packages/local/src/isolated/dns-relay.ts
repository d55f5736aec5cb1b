/** Forwards DNS questions that pods could not answer to the host's name servers. Runs on the host, serves a Unix socket. */
import { createSocket } from 'node:dgram';
import { chmodSync, readFileSync } from 'node:fs';
import { connect, createServer, isIPv6, type Socket } from 'node:net';
import { HOST_ADDRESS, HOST_NAME } from './address-plan.ts';
import {
  addressAnswer,
  failureAnswer,
  frame,
  isTruncated,
  nameServers,
  questionOf,
  splitFrames,
} from './dns-message.ts';

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

export async function serveDnsRelay(options: DnsRelayOptions): Promise<DnsRelay> {
  const servers = options.nameServers ?? hostNameServers;
  const ask = { port: options.port ?? 53, timeoutMs: options.timeoutMs ?? TIMEOUT_MS };
  const clients = new Set<Socket>();

  const answerTo = async (query: Buffer): Promise<Buffer> => {
    const question = questionOf(query);
    if (question?.name === HOST_NAME) return addressAnswer(query, question, HOST_ADDRESS);
    if (!question) return failureAnswer(query);
    for (const server of servers()) {
      const short = await overUdp(query, server, ask);
      if (!short) continue;
      return isTruncated(short) ? ((await overTcp(query, server, ask)) ?? short) : short;
    }
    return failureAnswer(query);
  };

  const server = createServer((client) => {
    let rest: Buffer = Buffer.alloc(0);
    let open = 0;
    clients.add(client);
    client.on('error', () => {});
    client.on('close', () => clients.delete(client));
    client.on('data', (data: Buffer) => {
      const split = splitFrames(Buffer.concat([rest, data]));
      rest = split.rest;
      for (const query of split.messages) {
        if (open >= MAX_OPEN) {
          client.write(frame(failureAnswer(query)));
          continue;
        }
        open += 1;
        void answerTo(query).then((answer) => {
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
function overUdp(query: Buffer, server: string, { port, timeoutMs }: Ask): Promise<Buffer | undefined> {
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
      if (answer.length >= 12 && answer.subarray(0, 2).equals(query.subarray(0, 2))) finish(answer);
    });
    socket.once('connect', () => socket.send(query));
    // Answers of others are then refused by the system.
    socket.connect(port, server);
  });
}

function overTcp(query: Buffer, server: string, { port, timeoutMs }: Ask): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let data: Buffer = Buffer.alloc(0);
    const socket = connect({ host: server, port });
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      data = Buffer.concat([data, chunk]);
      if (splitFrames(data).messages.length > 0) socket.destroy();
    });
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(splitFrames(data).messages[0]);
    });
    socket.write(frame(query));
  });
}
