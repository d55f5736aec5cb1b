/** Where the output of children goes: a file per workload, and the terminal with a prefix when asked. */
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

export interface LogSink {
  /** Copies a child's stream, line by line. Survives a full disk and a closed terminal: lines are dropped, never the child. */
  attach(stream: Readable): void;
  line(text: string): void;
  close(): void;
}

export type LineListener = (source: string, line: string) => void;

const MAX_LINE = 64 * 1024;

export function createLogSink(dir: string, source: string, onLine?: LineListener): LogSink {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = createWriteStream(join(dir, `${source}.log`), { flags: 'a', mode: 0o600 });
  let broken = false;
  file.on('error', () => {
    broken = true;
  });
  const line = (text: string): void => {
    // Past the stream's mark the disk is slower than the program: drop rather than hold memory.
    if (!broken && file.writableLength < 4 * MAX_LINE) file.write(`${text}\n`);
    onLine?.(source, text);
  };
  return {
    line,
    attach(stream) {
      let rest = '';
      stream.setEncoding('utf8');
      stream.on('error', () => {});
      stream.on('data', (chunk: string) => {
        rest += chunk;
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > MAX_LINE) {
          lines.push(rest);
          rest = '';
        }
        lines.forEach(line);
      });
      stream.on('end', () => {
        if (rest !== '') line(rest);
      });
    },
    close: () => file.end(),
  };
}
