import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { createListenSockets } from './listen-socket.ts';

const SERVE = `
require('node:net').createServer((socket) => { socket.on('error', () => {}); socket.end(process.argv[1]); }).listen({ fd: 3 });
`;

async function answer(address: string, port: number): Promise<string> {
  const socket = connect({ host: address, port });
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => (text += chunk));
  await once(socket, 'close');
  return text;
}

describe.runIf(process.platform === 'linux')('createListenSockets', () => {
  it('keeps connections that arrive between two children, and never accepts itself', async () => {
    const socket = createListenSockets()!.open('127.0.0.1', 0);
    const serve = (name: string) =>
      spawn(process.execPath, ['-e', SERVE, name], { stdio: ['ignore', 'ignore', 'inherit', socket.fd] });
    try {
      const early = answer('127.0.0.1', socket.port);
      const first = serve('first');
      expect(await early).toBe('first');
      first.kill('SIGKILL');
      await once(first, 'exit');
      const between = answer('127.0.0.1', socket.port);
      const second = serve('second');
      expect(await between).toBe('second');
      second.kill('SIGKILL');
      await once(second, 'exit');
    } finally {
      socket.close();
    }
  });

  it('says which address is taken, and frees it on close', async () => {
    const sockets = createListenSockets()!;
    const socket = sockets.open('127.0.0.1', 0);
    expect(() => sockets.open('127.0.0.1', socket.port)).toThrow(
      `127.0.0.1:${socket.port} is in use by another program`,
    );
    socket.close();
    const again = await waitFor(() => sockets.open('127.0.0.1', socket.port));
    again.close();
    expect(() => sockets.open('192.0.2.1', 0)).toThrow('this machine has no address 192.0.2.1');
  });
});
