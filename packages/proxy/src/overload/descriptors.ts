import { closeSync, openSync } from 'node:fs';
import { readText } from './process-memory.ts';

/** How many descriptors this process may have open. @returns undefined where that is not told. */
export function descriptorLimit(read: (path: string) => string = readText): number | undefined {
  const found = /^Max open files\s+(\d+)/m.exec(read('/proc/self/limits'))?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Whether so many more can be opened: tries. */
export function descriptorsLeft(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync('/dev/null', 'r'));
    return true;
  } catch {
    return false;
  } finally {
    opened.forEach((fd) => closeSync(fd));
  }
}
