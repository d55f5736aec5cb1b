/** Files that somebody else keeps, read again whenever they change. */
import { constants, type Stats } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, sep } from 'node:path';
import { type Clock, errorMessage, type Timer, WeftError } from '@weft/kit';

export interface WatchedFilesDeps {
  readonly clock: Clock;
  /** Folders that the files must be in, whatever links lead there; undefined = anywhere. */
  readonly within?: readonly string[];
  readonly maxBytes: number;
  /** All of them, in order: at first, and whenever one has changed. What it throws is a fault. */
  readonly onTexts: (texts: readonly string[]) => void;
  /** Once for each reason: files are missing, too long, or do not fit together. */
  readonly onFault: (reason: string) => void;
}

// Certificates and tokens live for minutes at least; a folder may be a mount whose changes no event tells.
const LOOK_EVERY_MS = 2_000;

/** Has looked once when it resolves, and looks again and again until `close`. */
export async function watchFiles(paths: readonly string[], deps: WatchedFilesDeps): Promise<{ close(): void }> {
  const { clock, onTexts, onFault } = deps;
  let timer: Timer | undefined;
  let closed = false;
  let taken = '';
  let complaint = '';
  const look = async (): Promise<void> => {
    let stamp = '';
    try {
      stamp = (await Promise.all(paths.map(async (path) => stampOf(await stat(path))))).join('\n');
      if (stamp !== taken) {
        const texts = await Promise.all(paths.map((path) => readWithin(path, deps)));
        if (closed) return;
        onTexts(texts);
        taken = stamp;
        complaint = '';
      }
    } catch (error) {
      const reason = errorMessage(error);
      if (reason !== complaint && !closed) onFault(reason);
      complaint = reason;
      taken = '';
    }
    if (!closed) timer = clock.after(LOOK_EVERY_MS, () => void look());
  };
  await look();
  return {
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** Another file, or another content, has another one. */
const stampOf = ({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string => `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;

async function readWithin(path: string, { within, maxBytes }: WatchedFilesDeps): Promise<string> {
  const refuse = (reason: string): never => {
    throw new WeftError('WEFT_SECRET_FILES', `${path} ${reason}`);
  };
  if (within !== undefined && !isAbsolute(path)) refuse('is not an absolute path');
  const real = await realpath(path);
  if (within !== undefined) {
    const folders = await Promise.all(within.map((folder) => realpath(folder).catch(() => folder)));
    if (!folders.some((folder) => real.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)))
      refuse(
        `is in none of the folders that may be read (${within.length === 0 ? 'there are none' : within.join(', ')})`,
      );
  }
  // Not blocked by a pipe that nobody writes to, and no link is followed that was not seen before.
  const file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const about = await file.stat();
    if (!about.isFile()) refuse('is not a file');
    if (about.size > maxBytes) refuse(`is longer than ${maxBytes} bytes`);
    // One more than it had when it was asked: it may be growing.
    const buffer = Buffer.alloc(about.size + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) break;
    }
    if (length > about.size) refuse('is being written');
    return buffer.toString('utf8', 0, length);
  } finally {
    await file.close();
  }
}
