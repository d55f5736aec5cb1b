/** The namespace of the mesh's own processes in the isolated form: between the pods and the host. */
import { createServer, type Server } from 'node:net';
import type { PodPlan } from '../mesh-link.ts';
import { startShell } from './shell.ts';
import { EGRESS_PORT, hubScript } from './scripts.ts';

/** What the process on the host made for the hub before it started it. */
export interface HubOptions {
  readonly tool: PodPlan['tool'];
  /** The hub is root of a user namespace, whose owner is this user. */
  readonly user?: PodPlan['user'];
  readonly hostSockets: HostSockets;
}

export interface HostSocket {
  readonly address: string;
  readonly port: number;
  /** A descriptor of this process. */
  readonly fd: number;
}

/** Listening sockets of the host, which processes of the hub serve. */
export interface HostSockets {
  readonly gateway: HostSocket;
  readonly console: HostSocket;
  readonly monitoring: HostSocket;
}

/** Sets up bridge and rules. @returns the server of the way out, for a process on the host to take over: here it must not accept. */
export async function setUpHub(tool: HubOptions['tool'], env: Readonly<Record<string, string>>): Promise<Server> {
  const shell = await startShell((argv) => argv, env);
  try {
    await shell.run(hubScript(tool));
  } finally {
    await shell.close();
  }
  // Not on the hub's address alone: what the hub itself sends is redirected to its loopback.
  const server = createServer({ pauseOnConnect: true }, (socket) => socket.resetAndDestroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '0.0.0.0', port: EGRESS_PORT, backlog: 511 }, resolve);
  });
  return server;
}
