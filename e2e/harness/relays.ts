/** Ways from the test's process into the namespaces of an isolated mesh: a port of 127.0.0.1 per place and address. */
import { spawn, type ChildProcess } from 'node:child_process';
import { enterCommand, listenSocketsOf, loadLibc } from '@weft/local';
import { nameAddress } from './http.ts';
import { programPath } from './program-path.ts';

export interface Relays {
  /** @param pid a process that is there. @returns `127.0.0.1:PORT`, which leads to HOST:PORT as seen from there. */
  to(pid: number, host: string, port: number): string;
  close(): void;
}

/** @param userNamespace whether the mesh is below one. */
export function createRelays(userNamespace: boolean): Relays {
  const { libc, problem } = loadLibc();
  if (!libc) throw new Error('an isolated mesh, and no native calls', { cause: problem });
  const sockets = listenSocketsOf(libc);
  const known = new Map<string, string>();
  const children: ChildProcess[] = [];
  return {
    to(pid, host, port) {
      const key = `${pid} ${host}:${port}`;
      const present = known.get(key);
      if (present !== undefined) return present;
      const socket = sockets.open('127.0.0.1', 0);
      const relay = [process.execPath, programPath('relay.mjs'), host, String(port)] as const;
      const [command, ...args] = enterCommand({ pid, userNamespace, cwd: process.cwd() }, relay);
      // Connections wait in the socket's queue until it has started.
      children.push(spawn(command, args, { stdio: [socket.fd, 'ignore', 'inherit'] }));
      socket.close();
      const address = `127.0.0.1:${socket.port}`;
      known.set(key, address);
      nameAddress(address, `${host}:${port}`);
      return address;
    },
    close: () => children.forEach((child) => child.kill('SIGKILL')),
  };
}
