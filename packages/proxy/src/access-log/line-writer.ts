import { closeSync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { errorMessage, type Clock, type Logger, type Timer } from '@weft/kit';

/** Takes lines and writes them in batches; never waits, never throws. */
export interface LineWriter {
  /** @param lines how many these are. */
  write(text: string, lines?: number): void;
  /** Opens the file by its name again. What waits goes to the new one. @returns false when that can not be; then the old one stays. */
  reopen(): boolean;
  /** Writes what is left. */
  close(): Promise<void>;
  readonly dropped: number;
}

export interface LineWriterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

const FLUSH_AFTER_MS = 250;
const FLUSH_AT_CHARS = 16 * 1024;
const MAX_WAITING_CHARS = 1024 * 1024;
const NEWLINE = 0x0a;
const STANDARD: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 };

function lineEnds(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if (byte === NEWLINE) count += 1;
  return count;
}

const writeTo = promisify(write) as (fd: number, buffer: Buffer, at: number) => Promise<{ bytesWritten: number }>;

/** @throws when the file can not be opened for appending. */
export function createLineWriter(path: string, { clock, logger }: LineWriterDeps): LineWriter {
  const standard = STANDARD[path];
  let fd = standard ?? openSync(path, 'a', 0o600);
  let waiting: string[] = [];
  let size = 0;
  let dropped = 0;
  let timer: Timer | undefined;
  let writing: Promise<void> | undefined;
  let failed = false;
  let torn = false;

  /** @returns how much of it was written, and what stopped it. */
  const writeAll = async (batch: Buffer): Promise<{ readonly written: number; readonly error?: unknown }> => {
    let written = 0;
    // A file that is opened anew meanwhile gets the next batch.
    const target = fd;
    try {
      while (written < batch.length) written += (await writeTo(target, batch.subarray(written), 0)).bytesWritten;
      return { written };
    } catch (error) {
      return { written, error };
    }
  };
  const flush = (): void => {
    timer?.cancel();
    timer = undefined;
    if (writing !== undefined || waiting.length === 0) return;
    const texts = waiting;
    waiting = [];
    size = 0;
    // Half a line that a full disk left would take the next one with it.
    const mend = torn ? '\n' : '';
    const batch = Buffer.from(mend + texts.join(''), 'utf8');
    writing = writeAll(batch).then(({ written, error }) => {
      writing = undefined;
      if (written > 0) torn = batch[written - 1] !== NEWLINE;
      if (error === undefined) failed = false;
      else {
        dropped += lineEnds(batch.subarray(Math.max(written, mend.length)));
        if (!failed) logger.warn({ path, error: errorMessage(error) }, 'access log can not be written');
        failed = true;
      }
      if (size >= FLUSH_AT_CHARS) flush();
      else if (waiting.length > 0) arm();
    });
  };
  const arm = (): void => {
    timer ??= clock.after(FLUSH_AFTER_MS, flush);
  };
  return {
    write(text, lines = 1) {
      if (size + text.length > MAX_WAITING_CHARS) {
        dropped += lines;
        return;
      }
      waiting.push(text);
      size += text.length;
      if (size >= FLUSH_AT_CHARS) flush();
      else arm();
    },
    reopen() {
      if (standard !== undefined) return true;
      let next: number;
      try {
        next = openSync(path, 'a', 0o600);
      } catch (error) {
        logger.warn({ path, error: errorMessage(error) }, 'access log can not be opened again');
        return false;
      }
      const former = fd;
      fd = next;
      torn = false;
      if (writing === undefined) closeSync(former);
      else void writing.finally(() => closeSync(former));
      return true;
    },
    async close() {
      timer?.cancel();
      while (writing !== undefined || waiting.length > 0) {
        flush();
        await writing;
      }
      if (standard === undefined) closeSync(fd);
    },
    get dropped() {
      return dropped;
    },
  };
}
