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
const STANDARD: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 };

const writeTo = promisify(write) as (fd: number, buffer: Buffer, at: number) => Promise<{ bytesWritten: number }>;

/** @throws when the file can not be opened for appending. */
export function createLineWriter(path: string, { clock, logger }: LineWriterDeps): LineWriter {
  const standard = STANDARD[path];
  let fd = standard ?? openSync(path, 'a', 0o600);
  let waiting: string[] = [];
  let waitingLines = 0;
  let size = 0;
  let dropped = 0;
  let timer: Timer | undefined;
  let writing: Promise<void> | undefined;
  let failed = false;

  const writeAll = async (batch: Buffer): Promise<void> => {
    let at = 0;
    // A file that is opened anew meanwhile gets the next batch.
    const target = fd;
    while (at < batch.length) at += (await writeTo(target, batch.subarray(at), 0)).bytesWritten;
  };
  const flush = (): void => {
    timer?.cancel();
    timer = undefined;
    if (writing !== undefined || waiting.length === 0) return;
    const [texts, lines] = [waiting, waitingLines];
    waiting = [];
    waitingLines = 0;
    size = 0;
    writing = writeAll(Buffer.from(texts.join(''), 'utf8'))
      .then(
        () => {
          failed = false;
        },
        (error: unknown) => {
          dropped += lines;
          if (!failed) logger.warn({ path, error: errorMessage(error) }, 'access log can not be written');
          failed = true;
        },
      )
      .finally(() => {
        writing = undefined;
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
      waitingLines += lines;
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
