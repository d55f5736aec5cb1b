/** The two doors: TCP, and a Unix socket that only this user can open. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { lstat, unlink } from 'node:fs/promises';
import { errorCode, WeftError } from '@weft/kit';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

// A page's head is small; whoever is slower than this is no browser and no CLI.
const HEAD_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 512;
// Node looks for late ones every 30 s, unless told otherwise.
const LOOK_EVERY_MS = 2_000;

function createHttpServer(answer: Answer): Server {
  const limits = {
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: LOOK_EVERY_MS,
  };
  const server = createServer(limits, answer);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    listen();
  });
}

/** @param fd a socket that the parent has bound to that place. @throws {WeftError} `WEFT_PORT_TAKEN` */
export async function listenTcp(answer: Answer, host: string, port: number, fd?: number): Promise<Server> {
  const server = createHttpServer(answer);
  try {
    await listening(server, () => (fd === undefined ? server.listen(port, host) : server.listen({ fd })));
  } catch (cause) {
    if (errorCode(cause) !== 'EADDRINUSE') throw cause;
    throw new WeftError('WEFT_PORT_TAKEN', `port ${port} on ${host} is taken by another program`, {
      cause,
      fix: `stop what listens there (ss -ltnp 'sport = :${port}'), or choose another port`,
      where: `${host}:${port}`,
    });
  }
  return server;
}

/** The socket never exists with wider rights than 0600. @throws {WeftError} `WEFT_SOCKET_TAKEN` when another process listens there. */
export async function listenUnix(answer: Answer, path: string): Promise<Server> {
  await removeDeadSocket(path);
  const server = createHttpServer(answer);
  // Binding happens inside listen(), before it returns.
  const before = process.umask(0o177);
  try {
    await listening(server, () => {
      server.listen(path);
      process.umask(before);
    });
  } finally {
    process.umask(before);
  }
  return server;
}

async function removeDeadSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return;
  const taken = (message: string) =>
    new WeftError('WEFT_SOCKET_TAKEN', message, { where: path, fix: 'stop the other mesh, or use another --state' });
  if (!found.isSocket()) throw taken(`${path} exists and is not a socket`);
  if (await answers(path)) throw taken(`another process listens on ${path}`);
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
