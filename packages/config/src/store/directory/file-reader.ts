/** Reads the files of a directory again and again, and says what each of them means now. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, errorMessage, type Clock, type Logger } from '@weft/kit';
import { formatProblem, isError } from '../../problems.ts';
import type { ConfigText } from '../../text/config-text.ts';
import { readTree, signatureOf, type FileSignature } from './config-files.ts';
import { nextFileState, unreadableFile, type FileState } from './file-state.ts';
import type { Keepsake } from './keepsake.ts';

export interface FileReaderDeps {
  /** Absolute. */
  readonly dir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly configText: ConfigText;
  readonly keepsake: Keepsake;
  /** A file must be gone (or empty) this long: some editors remove a file before they write it anew. */
  readonly absentMs: number;
}

export interface FileReading {
  readonly files: ReadonlyMap<string, FileState>;
  readonly directories: readonly string[];
  /** Some file’s absence is not certain yet; look again after this time. */
  readonly lookAgainMs: number | undefined;
}

export interface FileReader {
  /** Every file. @param surelyGone paths whose absence needs no second look. @throws when the directory can not be read. */
  read(surelyGone?: ReadonlySet<string>): Promise<FileReading>;
  /** One file, after it was written. */
  refresh(path: string): Promise<void>;
  /** As last read, by path relative to the directory. */
  files(): ReadonlyMap<string, FileState>;
}

export function createFileReader(deps: FileReaderDeps): FileReader {
  const { dir, clock, logger, configText, keepsake, absentMs } = deps;
  let files = new Map<string, FileState>();
  const absentSince = new Map<string, number>();

  /** @returns undefined for a file that was emptied or is gone: it may be about to be written. */
  async function readOne(path: string, signature: FileSignature): Promise<FileState | undefined> {
    const former = files.get(path);
    if (former?.signature === signature) return former;
    const shownPath = join(dir, path);
    let text: string;
    try {
      text = await readFile(shownPath, 'utf8');
    } catch (error) {
      // Gone since the folder was listed: as if it had been emptied.
      if (errorCode(error) === 'ENOENT') return undefined;
      return unreadableFile(path, shownPath, signature, former, errorMessage(error));
    }
    if (text.trim() === '' && former !== undefined && former.objects.length > 0) return undefined;
    const lastGood = former === undefined ? await keepsake.lastGood(path) : undefined;
    const next = await nextFileState({ path, shownPath, signature, text }, former, configText, lastGood);
    const bad = next.problems.filter(isError);
    if (next.text !== former?.text) {
      for (const problem of bad) {
        logger.error({ problem: formatProblem(problem), keptLastGood: next.keptLastGood }, 'bad configuration file');
      }
    }
    if (bad.length === 0 && next.text !== (former?.servedText ?? lastGood)) await keepGood(path, next.text);
    return next;
  }

  async function keepGood(path: string, text: string): Promise<void> {
    try {
      await keepsake.saveLastGood(path, text);
    } catch (error) {
      logger.warn({ dir, reason: errorMessage(error) }, 'the last good configuration can not be kept on disk');
    }
  }

  function lingers(path: string, now: number, surelyGone: ReadonlySet<string>): boolean {
    if (surelyGone.has(path)) return false;
    const since = absentSince.get(path) ?? now;
    absentSince.set(path, since);
    return now - since < absentMs;
  }

  return {
    files: () => files,
    async read(surelyGone = new Set()) {
      const tree = await readTree(dir);
      const now = clock.now();
      const next = new Map<string, FileState>();
      let uncertain = false;
      for (const [path, signature] of tree.files) {
        const state = await readOne(path, signature);
        const former = files.get(path);
        if (state !== undefined) {
          absentSince.delete(path);
          next.set(path, state);
        } else if (former !== undefined && lingers(path, now, surelyGone)) {
          uncertain = true;
          next.set(path, former);
        } else {
          const gone = { path, shownPath: join(dir, path), signature, text: '' };
          next.set(path, await nextFileState(gone, undefined, configText));
        }
      }
      for (const [path, former] of files) {
        if (tree.files.has(path) || !lingers(path, now, surelyGone)) continue;
        uncertain = true;
        next.set(path, former);
      }
      for (const path of absentSince.keys()) if (!next.has(path)) absentSince.delete(path);
      files = next;
      return { files, directories: tree.directories, lookAgainMs: uncertain ? absentMs : undefined };
    },
    async refresh(path) {
      const signature = await signatureOf(join(dir, path));
      const state = signature === undefined ? undefined : await readOne(path, signature);
      if (state !== undefined) files = new Map(files).set(path, state);
    },
  };
}
