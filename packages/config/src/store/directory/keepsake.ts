/** What a directory store remembers between runs, under `.weft` of the directory: ages of objects, and the last good text of each file. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigKey } from '@weft/contracts/config';
import { errorCode, errorMessage, writeFileAtomic } from '@weft/kit';
import type { ObjectRecord } from '../object-table.ts';

export interface Keepsake {
  readonly records: ReadonlyMap<ConfigKey, ObjectRecord>;
  readonly resourceVersion: number;
  lastGood(path: string): Promise<string | undefined>;
  /** @throws the system’s error. */
  saveLastGood(path: string, text: string): Promise<void>;
  /** Forgets files other than these. */
  keepOnly(paths: Iterable<string>): Promise<void>;
  saveRecords(records: ReadonlyMap<ConfigKey, ObjectRecord>, resourceVersion: number): Promise<void>;
}

export const KEEPSAKE_FOLDER = '.weft';
const VERSION = 1;

/** @param complain is told when the memory exists and can not be used; ages then start anew. */
export async function openKeepsake(dir: string, complain: (message: string) => void): Promise<Keepsake> {
  const folder = join(dir, KEEPSAKE_FOLDER);
  const goodFolder = join(folder, 'last-good');
  const recordsFile = join(folder, 'objects.json');
  const fileFor = (path: string): string =>
    join(goodFolder, `${createHash('sha256').update(path).digest('hex').slice(0, 32)}.txt`);
  const { records, resourceVersion } = await readRecords(recordsFile, complain);
  return {
    records,
    resourceVersion,
    async lastGood(path) {
      try {
        return await readFile(fileFor(path), 'utf8');
      } catch {
        return undefined;
      }
    },
    async saveLastGood(path, text) {
      await mkdir(goodFolder, { recursive: true, mode: 0o700 });
      await writeFileAtomic(fileFor(path), text);
    },
    async keepOnly(paths) {
      const wanted = new Set([...paths].map((path) => fileFor(path)));
      let names: string[];
      try {
        names = await readdir(goodFolder);
      } catch {
        return;
      }
      for (const name of names)
        if (!wanted.has(join(goodFolder, name))) await rm(join(goodFolder, name), { force: true });
    },
    async saveRecords(next, version) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFileAtomic(
        recordsFile,
        JSON.stringify({ version: VERSION, resourceVersion: version, objects: Object.fromEntries(next) }),
      );
    },
  };
}

interface Records {
  readonly records: ReadonlyMap<ConfigKey, ObjectRecord>;
  readonly resourceVersion: number;
}

async function readRecords(file: string, complain: (message: string) => void): Promise<Records> {
  const none: Records = { records: new Map(), resourceVersion: 0 };
  try {
    return parseRecords(JSON.parse(await readFile(file, 'utf8'))) ?? none;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') complain(`ages of objects are lost: ${file}: ${errorMessage(error)}`);
    return none;
  }
}

function parseRecords(value: unknown): Records | undefined {
  if (typeof value !== 'object' || value === null || !('objects' in value) || !('resourceVersion' in value))
    return undefined;
  const { objects, resourceVersion } = value;
  if (typeof objects !== 'object' || objects === null || typeof resourceVersion !== 'number') return undefined;
  const entries = Object.entries(objects).filter((entry): entry is [ConfigKey, ObjectRecord] =>
    isRecordOfObject(entry[1]),
  );
  return { records: new Map(entries), resourceVersion };
}

const isRecordOfObject = (value: unknown): value is ObjectRecord =>
  typeof value === 'object' &&
  value !== null &&
  'uid' in value &&
  typeof value.uid === 'string' &&
  'creationTimestamp' in value &&
  typeof value.creationTimestamp === 'string' &&
  'generation' in value &&
  typeof value.generation === 'number' &&
  'specHash' in value &&
  typeof value.specHash === 'string';
