/** `weft run` and the mesh that it joins: when that is isolated, the command goes there first. */
import { readlinkSync } from 'node:fs';
import { WeftError } from '@weft/kit';
import { enterCommand, readMeshFile, runningSupervisor, stateDirAt } from '@weft/local';
import type { Handover } from './handover.ts';
import { startInner } from './inner-process.ts';

export type Joined =
  /** Go on here. */
  | { readonly done: false; readonly isolated: boolean }
  /** Another process did it, inside. */
  | { readonly done: true; readonly exitCode: number };

/** @throws {WeftError} WEFT_NOT_PERMITTED when the mesh is another user's. */
export async function joinMesh(stateDir: string, handover: Handover | undefined): Promise<Joined> {
  const dir = stateDirAt(stateDir);
  const mesh = readMeshFile(dir);
  if (handover) return { done: false, isolated: true };
  // No mesh, or one that ended badly: the call to its socket will say so.
  if (mesh?.interception?.form !== 'isolated' || runningSupervisor(dir) !== mesh.pid)
    return { done: false, isolated: false };
  if (networkOf('self') === networkOf(mesh.pid)) return { done: false, isolated: true };
  const place = { pid: mesh.pid, userNamespace: mesh.interception.user !== undefined, cwd: process.cwd() };
  const { ended } = startInner((argv) => enterCommand(place, argv), { as: 'member' });
  return { done: true, exitCode: await ended };
}

export function networkOf(pid: number | 'self'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch (cause) {
    throw new WeftError('WEFT_NOT_PERMITTED', `the namespaces of process ${pid} can not be entered`, {
      cause,
      fix: 'run the command as the user who started the mesh',
    });
  }
}
