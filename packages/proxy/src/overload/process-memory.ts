import { readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import type { MemoryReading } from './overload.ts';

export function readMemory(): MemoryReading {
  const { used_heap_size: heapUsed, heap_size_limit: heapLimit, external_memory: external } = getHeapStatistics();
  return { heapUsed, heapLimit, external, resident: process.memoryUsage.rss() };
}

const CGROUP_FILES = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];
/** Version 1 writes a number near this for "none". */
const NO_LIMIT = 2 ** 60;

/** What the container may use, in bytes. @returns undefined without such a limit. */
export function systemMemoryLimit(read: (path: string) => string = readText): number | undefined {
  for (const path of CGROUP_FILES) {
    const bytes = Number(read(path).trim() || Number.NaN);
    if (bytes > 0 && bytes < NO_LIMIT) return bytes;
  }
  return undefined;
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
