/** Configuration as a directory of YAML files: watched, edited by hand or by `apply`, never half read. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { configKey, refOf, type ConfigKey, type ConfigRef } from '@weft/contracts/config';
import { errorMessage, WeftError, writeFileAtomic, type Clock, type Logger, type Timer } from '@weft/kit';
import type { ParseOptions } from '../../parse-config.ts';
import { formatProblem, isError, sortProblems, type Problem } from '../../problems.ts';
import type { Path, Position } from '../../source/locate.ts';
import type { ApplyItem, ApplyResult, FileStatus, StoreStatus, WritableConfigStore } from '../config-store.ts';
import { createListeners } from '../listeners.ts';
import { createObjectTable, sameContent } from '../object-table.ts';
import { readTree, signatureOf, type FileSignature, type Tree } from './config-files.ts';
import { appliedFileName, objectText, removeDocument, replaceDocument } from './edit-file.ts';
import { mergeFiles, nextFileState, unreadableFile, type FileState, type Owned } from './file-state.ts';
import { openKeepsake } from './keepsake.ts';
import { createTreeWatch } from './watch-tree.ts';

export interface DirectoryStoreDeps {
  /** Created when it does not exist. */
  readonly dir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly parse?: ParseOptions;
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

const DEFAULT_TIMING: DirectoryTiming = { quietMs: 40, absentMs: 400, rescanMs: 3000 };
/** Where `apply` puts objects that no file holds yet. */
const APPLIED = 'applied';

export interface DirectoryStore extends WritableConfigStore {
  /** Reads the files now, instead of at the next event. */
  rescan(): Promise<void>;
  /** The file, line and column that wrote a field of an object. */
  locate(ref: ConfigRef, path: Path): ({ readonly file: string } & Position) | undefined;
}

/** Resolves after the first reading. @throws {WeftError} when the directory can not be used at all. */
export async function createDirectoryStore(deps: DirectoryStoreDeps): Promise<DirectoryStore> {
  const { clock, logger } = deps;
  const dir = resolve(deps.dir);
  const parse = deps.parse ?? {};
  const timing = { ...DEFAULT_TIMING, ...deps.timing };
  await mkdir(dir, { recursive: true, mode: 0o700 });

  const keepsake = await openKeepsake(dir, (message) => logger.warn({ dir }, message));
  const table = createObjectTable({
    timestamp: () => new Date(clock.now()).toISOString(),
    uid: randomUUID,
    remembered: keepsake.records,
    firstResourceVersion: keepsake.resourceVersion,
  });
  const listeners = createListeners(logger);
  let files = new Map<string, FileState>();
  let owned: ReadonlyMap<ConfigKey, Owned> = new Map();
  let duplicates: readonly Problem[] = [];
  let directoryProblem: Problem | undefined;
  const absentSince = new Map<string, number>();
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

  const scheduleSoon = (delayMs: number): void => {
    if (closed) return;
    soon?.cancel();
    soon = clock.after(delayMs, () => void exclusive(scan).catch(reportFailure));
  };
  const scheduleLater = (): void => {
    if (closed) return;
    later?.cancel();
    later = clock.after(timing.rescanMs, () => void exclusive(scan).catch(reportFailure).finally(scheduleLater));
  };
  const reportFailure = (error: unknown): void => logger.error({ err: error, dir }, 'configuration could not be read');
  const watcher = createTreeWatch(
    () => scheduleSoon(timing.quietMs),
    (directory, error) =>
      logger.warn(
        { directory, reason: errorMessage(error) },
        'a directory can not be watched; it is read at intervals',
      ),
  );

  const shownPath = (path: string): string => join(dir, path);

  async function readOne(path: string, signature: FileSignature): Promise<FileState | undefined> {
    const former = files.get(path);
    if (former?.signature === signature) return former;
    let text: string;
    try {
      text = await readFile(join(dir, path), 'utf8');
    } catch (error) {
      return unreadableFile(path, shownPath(path), signature, former, errorMessage(error));
    }
    if (text.trim() === '' && former !== undefined && former.objects.length > 0) return undefined;
    const lastGood = former === undefined ? await keepsake.lastGood(path) : undefined;
    const next = nextFileState({ path, shownPath: shownPath(path), signature, text }, former, parse, lastGood);
    if (next.text !== former?.text) logFile(next);
    if (
      next.servedText === next.text &&
      next.servedText !== (former?.servedText ?? lastGood) &&
      !next.problems.some(isError)
    ) {
      await remember(() => keepsake.saveLastGood(path, next.servedText));
    }
    return next;
  }

  function logFile(state: FileState): void {
    for (const problem of state.problems) {
      if (!isError(problem)) continue;
      logger.error({ problem: formatProblem(problem), keptLastGood: state.keptLastGood }, 'bad configuration file');
    }
  }

  async function remember(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      logger.warn({ dir, reason: errorMessage(error) }, 'the memory of configuration can not be written');
    }
  }

  /** Files that vanished or were emptied keep what they held until they have been so for a while. */
  function lingering(path: string, now: number, surelyGone: ReadonlySet<string>): boolean {
    if (surelyGone.has(path)) return false;
    const since = absentSince.get(path) ?? now;
    absentSince.set(path, since);
    if (now - since >= timing.absentMs) return false;
    scheduleSoon(timing.absentMs);
    return true;
  }

  async function scan(surelyGone: ReadonlySet<string> = new Set()): Promise<void> {
    let tree: Tree;
    try {
      tree = await readTree(dir);
      directoryProblem = undefined;
    } catch (error) {
      directoryProblem = problemOfDirectory(dir, error);
      if (!ready)
        throw new WeftError('WEFT_CONFIG_DIR', `the configuration directory can not be read: ${errorMessage(error)}`, {
          where: dir,
          cause: error,
        });
      logger.error(
        { dir, reason: errorMessage(error) },
        'the configuration directory can not be read; what was read stays',
      );
      return;
    }
    watcher.follow(tree.directories);
    const now = clock.now();
    const next = new Map<string, FileState>();
    for (const [path, signature] of tree.files) {
      const state = await readOne(path, signature);
      if (state !== undefined) {
        absentSince.delete(path);
        next.set(path, state);
        continue;
      }
      const former = files.get(path);
      if (former !== undefined && lingering(path, now, surelyGone)) next.set(path, former);
      else next.set(path, nextFileState({ path, shownPath: shownPath(path), signature, text: '' }, undefined, parse));
    }
    for (const [path, former] of files) {
      if (!tree.files.has(path) && lingering(path, now, surelyGone)) next.set(path, former);
    }
    for (const path of absentSince.keys()) if (!next.has(path)) absentSince.delete(path);
    await settle(next);
  }

  async function settle(next: Map<string, FileState>): Promise<void> {
    const forgotten = [...files.keys()].some((path) => !next.has(path));
    files = next;
    const merged = mergeFiles([...files.values()], owned);
    owned = merged.objects;
    duplicates = merged.duplicates;
    const event = table.replace([...owned.values()].map(({ parsed }) => parsed.object));
    if (forgotten || !ready) await remember(() => keepsake.keepOnly(files.keys()));
    if (event !== undefined) await remember(() => keepsake.saveRecords(table.records(), table.resourceVersion()));
    if (event !== undefined && ready) listeners.tell(event);
  }

  function problems(): readonly Problem[] {
    const all = [...files.values()].flatMap((file) => file.problems);
    return sortProblems([...all, ...duplicates, ...(directoryProblem === undefined ? [] : [directoryProblem])]);
  }

  function status(): StoreStatus {
    const counts = new Map<string, number>();
    for (const { path } of owned.values()) counts.set(path, (counts.get(path) ?? 0) + 1);
    const list = [...files.values()].map((file): FileStatus => {
      const shown = shownPath(file.path);
      const own = [...file.problems, ...duplicates.filter((problem) => problem.file === shown)];
      return {
        file: shown,
        objects: counts.get(file.path) ?? 0,
        keptLastGood: file.keptLastGood,
        problems: sortProblems(own),
      };
    });
    return { ready, version: table.version(), objects: table.size(), problems: problems(), files: list };
  }

  /** The file of an object, in a state that can be edited. @throws {WeftError} when it can not. */
  function editable(ref: ConfigRef): { readonly owner: Owned; readonly file: FileState } | undefined {
    const owner = owned.get(configKey(ref));
    const file = owner === undefined ? undefined : files.get(owner.path);
    if (owner === undefined || file === undefined) return undefined;
    if (file.text !== file.servedText) {
      throw new WeftError('WEFT_CONFIG_FILE_BAD', `${configKey(ref)} is in a file with errors`, {
        where: shownPath(file.path),
        fix: 'Mend the file or remove it, then try again.',
      });
    }
    return { owner, file };
  }

  const inList = (ref: ConfigRef, path: string): WeftError =>
    new WeftError('WEFT_CONFIG_IN_LIST', `${configKey(ref)} is an item of a List`, {
      where: shownPath(path),
      fix: 'Edit that file.',
    });

  async function write(path: string, text: string): Promise<void> {
    const target = join(dir, path);
    try {
      await mkdir(join(target, '..'), { recursive: true, mode: 0o700 });
      const mode = await stat(target).then(
        (info) => info.mode & 0o777,
        () => 0o600,
      );
      await writeFileAtomic(target, text, mode);
      // The mode of a new file is cut by the umask; an existing one keeps what it had.
      await chmod(target, mode);
    } catch (error) {
      throw new WeftError('WEFT_CONFIG_WRITE', `the configuration can not be written: ${errorMessage(error)}`, {
        where: target,
        cause: error,
      });
    }
  }

  async function applyOne(item: ApplyItem): Promise<ApplyResult> {
    const ref = refOf(item.object);
    const held = table.get(configKey(ref));
    const own = join(APPLIED, appliedFileName(ref));
    // The store’s own file of this object may be replaced whole, also when somebody broke it.
    const broken = files.get(own)?.problems.some(isError) === true;
    const at = broken ? undefined : editable(ref);
    if (at === undefined || held === undefined) {
      if (broken) logger.warn({ file: shownPath(own) }, 'a bad file is replaced');
      await write(own, objectText(item, parse));
      return { ref, outcome: held === undefined ? 'created' : 'configured', file: shownPath(own) };
    }
    const file = shownPath(at.file.path);
    if (sameContent(held, item.object)) return { ref, outcome: 'unchanged', file };
    const text = replaceDocument(at.file.text, at.owner.parsed, objectText(item, parse));
    if (text === undefined) throw inList(ref, at.file.path);
    await write(at.file.path, text);
    return { ref, outcome: 'configured', file };
  }

  const store: DirectoryStore = {
    // The table is keyed by kind, so a list of one kind holds that kind only.
    list: (kind) => table.list(kind) as never,
    get: (kind, namespace, name) => table.get(configKey({ kind, namespace, name })) as never,
    subscribe: (listener) => listeners.add(listener),
    status,
    rescan: () => exclusive(scan),
    locate(ref, path) {
      const owner = owned.get(configKey(ref));
      return owner === undefined ? undefined : { file: shownPath(owner.path), ...owner.parsed.locate(path) };
    },
    apply: (items) =>
      exclusive(async () => {
        await scan();
        const results: ApplyResult[] = [];
        try {
          for (const item of items) {
            const result = await applyOne(item);
            results.push(result);
            // Offsets of the documents behind it in the same file have moved.
            if (result.outcome !== 'unchanged' && result.file !== undefined) await refresh(relative(dir, result.file));
          }
        } finally {
          await scan();
        }
        return results;
      }),
    delete: (ref) =>
      exclusive(async () => {
        await scan();
        const at = editable(ref);
        if (at === undefined) return false;
        const rest = removeDocument(at.file.text, at.owner.parsed);
        if (rest === undefined) throw inList(ref, at.file.path);
        if (rest === '') await rm(join(dir, at.file.path), { force: true });
        else await write(at.file.path, rest);
        await scan(new Set([at.file.path]));
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

  /** Reads one file again after it was written, without telling anybody yet. */
  async function refresh(path: string): Promise<void> {
    const signature = await signatureOf(join(dir, path));
    const state = signature === undefined ? undefined : await readOne(path, signature);
    if (state === undefined) return;
    files.set(path, state);
    owned = mergeFiles([...files.values()], owned).objects;
  }

  await exclusive(() => scan());
  ready = true;
  scheduleLater();
  return store;
}

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
