/** `weft logs`: what a workload's program or sidecar, or a part of the mesh, has written. */
import { existsSync, readdirSync, statSync, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { WeftError } from '@weft/kit';
import { stateDirAt } from '@weft/local';
import { stateDirOf } from '../mesh/options.ts';
import { printable } from '../output/printable.ts';

export interface LogsFlags {
  readonly state?: string;
  readonly namespace: string;
  readonly proxy?: boolean;
  readonly follow?: boolean;
  readonly tail: string;
}

export async function logs(name: string, flags: LogsFlags): Promise<number> {
  const dir = stateDirAt(stateDirOf(flags.state)).logs;
  const file = findFile(dir, name, flags);
  if (!/^\d+$/.test(flags.tail))
    throw new WeftError('WEFT_USAGE', `--tail needs a number of lines, not "${flags.tail}"`);
  const path = join(dir, file);
  const position = await printTail(path, Number(flags.tail));
  if (!flags.follow) return 0;
  return follow(path, position);
}

function findFile(dir: string, name: string, flags: LogsFlags): string {
  const part = flags.proxy ? 'proxy' : 'app';
  const wanted = [`${name}.${flags.namespace}.${part}.log`, `${name}.log`, `${name}.${part}.log`];
  if (name.includes('/')) throw new WeftError('WEFT_USAGE', `"${name}" is not the name of a workload`);
  const file = wanted.find((item) => existsSync(join(dir, item)));
  if (file) return file;
  const known = existsSync(dir) ? readdirSync(dir).filter((item) => item.endsWith('.log')) : [];
  const names = [...new Set(known.map((item) => item.replace(/(\.(app|proxy))?\.log$/, '')))];
  throw new WeftError('WEFT_NO_FILE', `there are no logs of ${name}`, {
    fix: names.length === 0 ? `no mesh has run in ${join(dir, '..')} yet` : `use one of: ${names.join(', ')}`,
  });
}

const TAIL_BYTES = 1 << 20;

/** @returns where the file ended. */
async function printTail(path: string, lines: number): Promise<number> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const buffer = Buffer.alloc(size - start);
    await file.read(buffer, 0, buffer.length, start);
    const all = buffer.toString('utf8').split('\n');
    if (all.at(-1) === '') all.pop();
    const shown = lines === 0 ? [] : all.slice(-lines);
    if (shown.length > 0) process.stdout.write(`${shown.map(printable).join('\n')}\n`);
    return size;
  } finally {
    await file.close();
  }
}

async function follow(path: string, from: number): Promise<number> {
  let position = from;
  let busy = false;
  const more = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    try {
      const { size } = statSync(path);
      if (size < position) position = 0;
      if (size > position) {
        const file = await open(path, 'r');
        const buffer = Buffer.alloc(Math.min(size - position, TAIL_BYTES));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
        await file.close();
        position += bytesRead;
        process.stdout.write(printable(buffer.toString('utf8', 0, bytesRead)));
      }
    } finally {
      busy = false;
    }
  };
  const watcher = watch(path, () => void more().catch(() => {}));
  const poll = setInterval(() => void more().catch(() => {}), 1000);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    process.stdout.once('error', () => resolve());
  });
  watcher.close();
  clearInterval(poll);
  return 0;
}
