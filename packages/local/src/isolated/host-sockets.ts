/** Listening sockets that the isolated mesh has on the host. */
import { chooseHostPorts, HOST, type PortWishes } from '../mesh-ports.ts';
import type { ListenSocket, ListenSockets } from '../listen-socket.ts';

export interface OpenHostSockets {
  readonly gateway: ListenSocket;
  readonly console: ListenSocket;
  readonly monitoring: ListenSocket;
}

/** @throws {WeftError} WEFT_PORT_TAKEN. */
export async function openHostSockets(wishes: PortWishes, sockets: ListenSockets): Promise<OpenHostSockets> {
  const ports = await chooseHostPorts(wishes, new Set());
  const opened: ListenSocket[] = [];
  const open = (port: number): ListenSocket => {
    const socket = sockets.open(HOST, port);
    opened.push(socket);
    return socket;
  };
  try {
    return { gateway: open(ports.gateway), console: open(ports.console), monitoring: open(ports.monitoring) };
  } catch (error) {
    opened.forEach((socket) => socket.close());
    throw error;
  }
}
