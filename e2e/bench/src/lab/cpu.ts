/** CPU time and memory of a process and its threads, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** Nanoseconds on a CPU, all threads. @throws when the process is gone. */
export function cpuNs(pid: number): bigint {
  let sum = 0n;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    sum += BigInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0] ?? '0');
  }
  return sum;
}

/** A process and all its descendants: nginx serves from a child. */
export function familyOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // Ended meanwhile.
    }
  }
  const family: number[] = [];
  const visit = (member: number): void => {
    family.push(member);
    children.get(member)?.forEach(visit);
  };
  visit(pid);
  return family;
}

/** What a process holds, in MB: in PSS pages shared with others count by share, in RSS whole. */
export function memoryMb(pid: number): { readonly pssMb: number; readonly rssMb: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  const mb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
  return { pssMb: mb('Pss'), rssMb: mb('Rss') };
}

/** The V8 and Node settings in a process's command line: what stands before its program. */
export function nodeArgsOf(pid: number): string[] {
  const [, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
  const program = args.findIndex((arg) => !arg.startsWith('-'));
  return args.slice(0, Math.max(0, program));
}
