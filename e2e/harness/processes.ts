/** Processes and listening sockets of this machine, from /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessLine {
  readonly pid: number;
  readonly command: string;
}

/** Live processes whose command line or environment names this text (a state folder). */
export function processesWith(text: string): ProcessLine[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ');
        const environment = readFileSync(`/proc/${name}/environ`, 'latin1');
        return command.includes(text) || environment.includes(text) ? [{ pid: Number(name), command }] : [];
      } catch {
        return [];
      }
    });
}

export interface ListeningSocket {
  readonly address: string;
  readonly port: number;
  readonly pid: number | undefined;
}

const LISTEN = '0A';

/** IPv4 sockets in LISTEN state, with one process that holds each. */
function detailed(): ListeningSocket[] {
  const holders = socketHolders();
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [, local = '', , state, , , , , , inode = ''] = fields;
      if (state !== LISTEN) return [];
      const [hex = '', portHex = ''] = local.split(':');
      const address = [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.');
      return [{ address, port: Number.parseInt(portHex, 16), pid: holders.get(inode) }];
    });
}

function socketHolders(): Map<string, number> {
  const holders = new Map<string, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      for (const fd of readdirSync(`/proc/${name}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${name}/fd/${fd}`))?.[1];
        if (inode) holders.set(inode, Number(name));
      }
    } catch {
      // Gone, or another user's.
    }
  }
  return holders;
}

export const listeningPorts = Object.assign((): Set<number> => new Set(detailed().map((socket) => socket.port)), {
  detailed,
});
