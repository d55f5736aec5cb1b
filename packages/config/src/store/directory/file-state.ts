/** What is known of one file, and what follows from its next content. */
import type { ConfigKey } from '@weft/contracts/config';
import { configKey, refOf } from '@weft/contracts/config';
import type { ParsedObject, ParseResult } from '../../parse-config.ts';
import { isError, type Problem } from '../../problems.ts';
import type { ConfigText } from '../../text/config-text.ts';
import type { FileSignature } from './config-files.ts';

export interface FileState {
  readonly path: string;
  readonly signature: FileSignature;
  /** The content last read. */
  readonly text: string;
  /** What is served from the file. */
  readonly objects: readonly ParsedObject[];
  /** The text that `objects` come from; differs from `text` while the file is bad. */
  readonly servedText: string;
  readonly keptLastGood: boolean;
  /** False for a file that had an error from its first reading on. */
  readonly everGood: boolean;
  readonly problems: readonly Problem[];
}

export interface ReadFile {
  readonly path: string;
  /** How messages name the file. */
  readonly shownPath: string;
  readonly signature: FileSignature;
  readonly text: string;
}

/**
 * The state after a file was read. A file with an error keeps all of what was served from it, so that an edit takes
 * effect whole or not at all; one that was never good serves what is good in it.
 * @param lastGood the text that was good in an earlier run.
 */
export async function nextFileState(
  file: ReadFile,
  former: FileState | undefined,
  configText: ConfigText,
  lastGood?: string,
): Promise<FileState> {
  const parsed = await configText.parse(file.text, file.shownPath);
  const base = { path: file.path, signature: file.signature, text: file.text, problems: parsed.problems };
  if (!parsed.problems.some(isError)) {
    return { ...base, objects: parsed.objects, servedText: file.text, keptLastGood: false, everGood: true };
  }
  if (former?.everGood === true) {
    return {
      ...base,
      objects: former.objects,
      servedText: former.servedText,
      keptLastGood: former.objects.length > 0,
      everGood: true,
    };
  }
  const earlier = lastGood === undefined ? undefined : goodResult(await configText.parse(lastGood, file.shownPath));
  if (earlier !== undefined && lastGood !== undefined) {
    return { ...base, objects: earlier.objects, servedText: lastGood, keptLastGood: true, everGood: true };
  }
  return { ...base, objects: parsed.objects, servedText: file.text, keptLastGood: false, everGood: false };
}

const goodResult = (result: ParseResult): ParseResult | undefined =>
  result.problems.some(isError) ? undefined : result;

/** The state of a file that can not be read: what it held stays. */
export function unreadableFile(
  path: string,
  shownPath: string,
  signature: FileSignature,
  former: FileState | undefined,
  reason: string,
): FileState {
  return {
    path,
    signature,
    text: former?.text ?? '',
    objects: former?.objects ?? [],
    servedText: former?.servedText ?? '',
    keptLastGood: (former?.objects.length ?? 0) > 0,
    everGood: former?.everGood ?? false,
    problems: [
      {
        code: 'W0050',
        severity: 'error',
        path: '',
        message: `the file can not be read: ${reason}`,
        fix: 'Let the owner of the mesh read it.',
        file: shownPath,
        line: 1,
        column: 1,
      },
    ],
  };
}

export interface Owned {
  readonly parsed: ParsedObject;
  /** Path of the file, relative to the directory. */
  readonly path: string;
}

export interface Merged {
  readonly objects: ReadonlyMap<ConfigKey, Owned>;
  readonly duplicates: readonly Problem[];
}

/**
 * All files together. Of two definitions of one object the one that was served before stays, else the one in the first
 * file by path; the other is an error that names both.
 */
export function mergeFiles(files: readonly FileState[], formerly: ReadonlyMap<ConfigKey, Owned>): Merged {
  const candidates = new Map<ConfigKey, Owned[]>();
  for (const file of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    for (const parsed of file.objects) {
      const key = configKey(refOf(parsed.object));
      const owned = { parsed, path: file.path };
      const known = candidates.get(key);
      if (known === undefined) candidates.set(key, [owned]);
      else known.push(owned);
    }
  }
  const objects = new Map<ConfigKey, Owned>();
  const duplicates: Problem[] = [];
  for (const [key, all] of candidates) {
    const served = formerly.get(key);
    const kept = all.find(({ path }) => path === served?.path) ?? all[0];
    if (kept === undefined) continue;
    objects.set(key, kept);
    for (const other of all) if (other !== kept) duplicates.push(duplicate(key, other, kept));
  }
  return { objects, duplicates };
}

function duplicate(key: ConfigKey, other: Owned, kept: Owned): Problem {
  const here = other.parsed.object.source;
  const there = kept.parsed.object.source;
  return {
    code: 'W0009',
    severity: 'error',
    path: '',
    message: `${key} is also in ${there?.file ?? 'another file'}:${there?.line ?? 1}, which is the one in effect`,
    fix: 'Remove one of the two.',
    object: key,
    file: here?.file ?? other.path,
    line: here?.line ?? 1,
    column: here?.column ?? 1,
  };
}
