/** Heartbeats of an application in a pod: the connection is made there, the rest is as on the host. */
import { closeSync } from 'node:fs';
import { request } from 'node:http';
import { Socket } from 'node:net';
import type { Libc } from '../libc.ts';
import type { WorkloadPlace } from '../workload-place.ts';
import { httpProbe } from '../probe.ts';
import { SOCKET_FLAGS, socketAddress } from '../listen-socket.ts';
import type { NetworkNamespace } from './network-namespaces.ts';

const POLL_MS = 20;

export function createPodProbe(network: NetworkNamespace, libc: Libc): WorkloadPlace['probe'] {
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const connect = libc.func('int connect(int fd, const void *address, unsigned int length)');
  const getpeername = libc.func('int getpeername(int fd, void *address, void *length)');

  /** A socket that is connected, or about to be. It never blocks this thread. */
  const open = (address: string, port: number): number =>
    network.run(() => {
      const fd = socket(SOCKET_FLAGS.inet, SOCKET_FLAGS.stream, 0);
      if (fd >= 0) connect(fd, socketAddress(address, port), 16);
      return fd;
    });
  const isConnected = (fd: number): boolean =>
    getpeername(fd, Buffer.alloc(16), Buffer.from(Uint32Array.of(16).buffer)) === 0;

  const byTcp = (address: string, port: number, timeoutMs: number): Promise<boolean> =>
    new Promise((resolve) => {
      const fd = open(address, port);
      if (fd < 0) return resolve(false);
      const endMs = performance.now() + timeoutMs;
      const look = (): void => {
        const connected = isConnected(fd);
        if (!connected && performance.now() < endMs) {
          setTimeout(look, POLL_MS);
          return;
        }
        closeSync(fd);
        resolve(connected);
      };
      look();
    });

  return (target, address, port, timeoutMs) => {
    if (target.kind === 'tcp') return byTcp(address, port, timeoutMs);
    return httpProbe(target, timeoutMs, (path) =>
      request({
        host: address,
        port,
        path,
        headers: { 'user-agent': 'weft-heartbeat' },
        createConnection: () => new Socket({ fd: open(address, port), readable: true, writable: true }),
      }),
    );
  };
}
