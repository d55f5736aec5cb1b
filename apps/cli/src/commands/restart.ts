/** `weft restart`: another sidecar process for a workload, without a request lost; the application is not touched. */
import type { RegisteredWorkload } from '@weft/contracts';
import { WeftError } from '@weft/kit';
import { callUnix, stateDirAt, type RestartResult } from '@weft/local';
import { parseSeconds, stateDirOf } from '../mesh/options.ts';

export interface RestartFlags {
  readonly state?: string;
  readonly namespace: string;
  readonly all?: boolean;
  readonly drain?: string;
  readonly wait?: boolean;
  readonly output?: string;
}

const DEFAULT_DRAIN_S = 45;

export async function restart(names: readonly string[], flags: RestartFlags): Promise<number> {
  const drainMs = parseSeconds(flags.drain, DEFAULT_DRAIN_S, '--drain') * 1000;
  const asJson = readOutput(flags.output);
  const socket = stateDirAt(stateDirOf(flags.state)).supervisorSocket;
  const chosen = await choose(names, flags, socket);
  const results: (RestartResult & { name: string; namespace: string })[] = [];
  // One after the other: callers of a service keep the other instances as they were.
  for (const { name, namespace } of chosen) {
    const path = `/v1/workloads/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/restart`;
    const body = { drainMs, wait: flags.wait ?? false };
    const result = (await callUnix(socket, { method: 'POST', path, body })) as RestartResult;
    results.push({ name, namespace, ...result });
    if (!asJson) process.stdout.write(`${describe(name, result, drainMs)}\n`);
  }
  if (asJson) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
  return 0;
}

function readOutput(output: string | undefined): boolean {
  if (output === undefined || output === 'text') return false;
  if (output === 'json') return true;
  throw new WeftError('WEFT_USAGE', `--output must be text or json, not "${output}"`);
}

async function choose(
  names: readonly string[],
  { all = false, namespace }: RestartFlags,
  socket: string,
): Promise<readonly { readonly name: string; readonly namespace: string }[]> {
  if (all === names.length > 0)
    throw new WeftError('WEFT_USAGE', all ? '--all and names exclude each other' : 'which workload?', {
      fix: 'weft restart WORKLOAD, or weft restart --all',
    });
  if (!all) return names.map((name) => ({ name, namespace }));
  const { workloads } = (await callUnix(socket, { method: 'GET', path: '/v1/status' })) as {
    workloads: readonly RegisteredWorkload[];
  };
  return workloads.filter(({ ownSidecar }) => ownSidecar !== true);
}

function describe(name: string, { pid, formerPid, cutConnections }: RestartResult, drainMs: number): string {
  const served = `${name}: process ${pid ?? '?'} serves`;
  if (cutConnections === undefined)
    return `${served}; process ${formerPid ?? '?'} ends when its connections have, in ${drainMs / 1000} s at the latest`;
  return cutConnections === 0
    ? `${served}; process ${formerPid ?? '?'} has ended, nothing was cut`
    : `${served}; process ${formerPid ?? '?'} has ended, ${cutConnections} connections were cut at the deadline`;
}
