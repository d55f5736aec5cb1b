import type { Socket } from 'node:net';
import { descriptorOf } from './descriptor.ts';
import { loadSocketCalls, type SocketCalls } from './native-sockets.ts';

/** TCP keepalive of connections, in seconds and probes; 0 = the system's own. */
export interface TcpKeepalive {
  readonly idleSeconds: number;
  readonly intervalSeconds: number;
  readonly probes: number;
}

// Linux values: tcp(7).
const IPPROTO_TCP = 6;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
// The system's own (net.ipv4.tcp_keepalive_time), where nothing is said.
const SYSTEM_IDLE_SECONDS = 7200;

/** How connections are kept: Node can say when probes begin; how often and how many only the C library can. */
export function keepaliveSetter({ idleSeconds, intervalSeconds, probes }: TcpKeepalive): (socket: Socket) => void {
  let calls: SocketCalls | undefined;
  try {
    if (intervalSeconds > 0 || probes > 0) calls = loadSocketCalls();
  } catch {
    // Probes begin when they should, and follow each other as the system has it.
    calls = undefined;
  }
  const option = (fd: number, name: number, number: number): void => {
    if (number <= 0) return;
    const value = Buffer.from(Uint32Array.of(number).buffer);
    calls?.setsockopt(fd, IPPROTO_TCP, name, value, value.length);
  };
  return (socket) => {
    socket.setKeepAlive(true, (idleSeconds > 0 ? idleSeconds : SYSTEM_IDLE_SECONDS) * 1000);
    const fd = descriptorOf(socket);
    if (calls === undefined || fd < 0) return;
    option(fd, TCP_KEEPINTVL, intervalSeconds);
    option(fd, TCP_KEEPCNT, probes);
  };
}
