/** `run/mesh.json`: what a running mesh says of itself to commands that join it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PodPlan } from './mesh-link.ts';
import type { MeshPorts } from './mesh-ports.ts';
import type { StateDir } from './state-dir.ts';

export interface MeshInterception {
  readonly form: 'loopback' | 'isolated';
  /** Isolated without root: who owns the user namespace. */
  readonly user?: PodPlan['user'];
  /** Why it is this form, when nobody asked for it. */
  readonly reason?: string;
}

export interface MeshFile {
  /** Of the supervisor. */
  readonly pid: number;
  readonly ports: MeshPorts;
  readonly interception: MeshInterception;
}

/** @returns undefined when no mesh has come up in that folder. */
export function readMeshFile(dir: StateDir): MeshFile | undefined {
  try {
    return JSON.parse(readFileSync(dir.meshFile, 'utf8')) as MeshFile;
  } catch {
    return undefined;
  }
}

/** Where a process on the host forwards the pods' questions to its name servers. */
export const dnsSocketOf = (dir: StateDir): string => join(dir.run, 'dns.sock');
