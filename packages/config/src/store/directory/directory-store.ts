/** Configuration as a directory of YAML files: watched, edited by hand or by `apply`, never half read. */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { configKey, type ConfigKey, type ConfigRef } from '@weft/contracts/config';
import { errorMessage, WeftError, type Clock, type Logger, type Timer } from '@weft/kit';
import type { ParseOptions } from '../../parse-config.ts';
import { sortProblems, type Problem } from '../../problems.ts';
import type { Path, Position } from '../../source/locate.ts';
import { textHere, type ConfigText } from '../../text/config-text.ts';
import type { ApplyResult, FileStatus, StoreStatus, WritableConfigStore } from '../config-store.ts';
import { createListeners } from '../listeners.ts';
import { createObjectTable } from '../object-table.ts';
import { createFileReader, type FileReading } from './file-reader.ts';
import { mergeFiles, type Merged } from './file-state.ts';
import { createFileWriter } from './file-writer.ts';
import { openKeepsake } from './keepsake.ts';
import { createTreeWatch } from './watch-tree.ts';

export interface DirectoryStoreDeps {
  /** Created when it does not exist. */
  readonly dir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly parse?: ParseOptions;
  /** Who works on text; default: this thread. */
  readonly configText?: ConfigText;
  readonly timing?: Partial<DirectoryTiming>;
}

export interface DirectoryTiming {
  /** Quiet time after the last event of the file system, so that one save is read once. */
  readonly quietMs: number;
  /** A file must be gone (or empty) this long: some editors remove a file before they write it anew. */
  readonly absentMs: number;
  /** A look at every file, also without events; some file systems send none. */
  readonly rescanMs: number;
}

const DEFAULT_TIMING: DirectoryTiming = { quietMs: 40, absentMs: 400, rescanMs: 10_000 };

export interface DirectoryStore extends WritableConfigStore {
  /** Reads the files now, instead of at the next event. */
  rescan(): Promise<void>;
  /** The file, line and column that wrote a field of an object. */
  locate(ref: ConfigRef, path: Path): ({ readonly file: string } & Position) | undefined;
}

/** Resolves after the first reading. @throws {WeftError} when the directory can not be used at all. */
export async function createDirectoryStore(deps: DirectoryStoreDeps): Promise<DirectoryStore> {
  const { clock, logger, configText = textHere(deps.parse) } = deps;
  const dir = resolve(deps.dir);
  const { quietMs, absentMs, rescanMs } = { ...DEFAULT_TIMING, ...deps.timing };
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(dir, error);
  }

  const keepsake = await openKeepsake(dir, (message) => logger.warn({ dir }, message));
  const table = createObjectTable({
    timestamp: () => new Date(clock.now()).toISOString(),
    uid: randomUUID,
    remembered: keepsake.records,
    firstResourceVersion: keepsake.resourceVersion,
  });
  const listeners = createListeners(logger);
  const reader = createFileReader({ dir, clock, logger, configText, keepsake, absentMs });
  let merged: Merged = { objects: new Map(), duplicates: [] };
  const stored = (key: ConfigKey) => table.get(key);
  const writer = createFileWriter({
    dir,
    logger,
    configText,
    files: reader.files,
    owned: () => merged.objects,
    stored,
  });
  let directoryProblem: Problem | undefined;
  let ready = false;
  let closed = false;
  let soon: Timer | undefined;
  let later: Timer | undefined;

  // One reading or writing at a time.
  let tail: Promise<unknown> = Promise.resolve();
  const exclusive = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = tail.then(() => work());
    tail = result.catch(() => undefined);
    return result;
  };
  const reportFailure = (error: unknown): void => logger.error({ err: error, dir }, 'configuration could not be read');
  const scanSoon = (delayMs: number): void => {
    if (closed) return;
    soon?.cancel();
    soon = clock.after(delayMs, () => void exclusive(scan).catch(reportFailure));
  };
  const scanRegularly = (): void => {
    if (closed) return;
    later = clock.after(rescanMs, () => void exclusive(scan).catch(reportFailure).finally(scanRegularly));
  };
  const watcher = createTreeWatch(
    () => scanSoon(quietMs),
    (directory, error) =>
      logger.warn(
        { directory, reason: errorMessage(error) },
        'a directory can not be watched; it is read at intervals',
      ),
  );

  async function scan(surelyGone?: ReadonlySet<string>): Promise<void> {
    if (closed) return;
    let reading: FileReading;
    const before = reader.files().size;
    try {
      reading = await reader.read(surelyGone);
      directoryProblem = undefined;
    } catch (error) {
      if (!ready) throw unusable(dir, error);
      directoryProblem = problemOfDirectory(dir, error);
      logger.error(
        { dir, reason: errorMessage(error) },
        'the configuration directory can not be read; what was read stays',
      );
      return;
    }
    watcher.follow(reading.directories);
    if (reading.lookAgainMs !== undefined) scanSoon(reading.lookAgainMs);
    merged = mergeFiles([...reading.files.values()], merged.objects);
    const event = table.replace([...merged.objects.values()].map(({ parsed }) => parsed.object));
    if (event !== undefined && ready) listeners.tell(event);
    try {
      if (!ready || reading.files.size < before) await keepsake.keepOnly(reading.files.keys());
      if (event !== undefined) await keepsake.saveRecords(table.records(), table.resourceVersion());
    } catch (error) {
      logger.warn({ dir, reason: errorMessage(error) }, 'ages of objects can not be kept on disk');
    }
  }

  function status(): StoreStatus {
    const files = [...reader.files().values()];
    const counts = new Map<string, number>();
    for (const { path } of merged.objects.values()) counts.set(path, (counts.get(path) ?? 0) + 1);
    return {
      ready,
      version: table.version(),
      objects: table.size(),
      problems: sortProblems([
        ...files.flatMap(({ problems }) => problems),
        ...merged.duplicates,
        ...(directoryProblem === undefined ? [] : [directoryProblem]),
      ]),
      files: files.map(({ path, keptLastGood, problems }): FileStatus => {
        const file = join(dir, path);
        const own = merged.duplicates.filter((problem) => problem.file === file);
        return { file, objects: counts.get(path) ?? 0, keptLastGood, problems: sortProblems([...problems, ...own]) };
      }),
    };
  }

  await exclusive(scan);
  ready = true;
  scanRegularly();

  return {
    // The table is keyed by kind, so a list of one kind holds that kind only.
    list: (kind) => table.list(kind) as never,
    get: (kind, namespace, name) => table.get(configKey({ kind, namespace, name })) as never,
    subscribe: (listener) => listeners.add(listener),
    status,
    rescan: () => exclusive(scan),
    locate(ref, path) {
      const owner = merged.objects.get(configKey(ref));
      return owner === undefined ? undefined : { file: join(dir, owner.path), ...owner.parsed.locate(path) };
    },
    apply: (items) =>
      exclusive(async () => {
        await scan();
        const results: ApplyResult[] = [];
        try {
          for (const item of items) {
            const { result, written } = await writer.put(item);
            results.push(result);
            if (written === undefined) continue;
            // Offsets of the documents behind it in the same file have moved.
            await reader.refresh(written);
            merged = mergeFiles([...reader.files().values()], merged.objects);
          }
        } finally {
          await scan();
        }
        return results;
      }),
    delete: (ref) =>
      exclusive(async () => {
        await scan();
        const path = await writer.remove(ref);
        if (path === undefined) return false;
        await scan(new Set([path]));
        return true;
      }),
    async close() {
      closed = true;
      soon?.cancel();
      later?.cancel();
      watcher.close();
      await tail;
    },
  };
}

const unusable = (dir: string, error: unknown): WeftError =>
  new WeftError('WEFT_CONFIG_DIR', `the configuration directory can not be used: ${errorMessage(error)}`, {
    where: dir,
    fix: 'Give a directory that you may read and write.',
    cause: error,
  });

const problemOfDirectory = (dir: string, error: unknown): Problem => ({
  code: 'W0050',
  severity: 'error',
  path: '',
  message: `the configuration directory can not be read: ${errorMessage(error)}`,
  fix: 'Bring it back; until then what was read stays in effect.',
  file: dir,
  line: 1,
  column: 1,
});
