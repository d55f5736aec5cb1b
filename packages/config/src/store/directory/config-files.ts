/** Which files of a directory hold configuration, and what tells that one has changed. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@weft/kit';

/** Equal as long as a file was not written, replaced or touched. */
export type FileSignature = string;

export interface Tree {
  /** By path relative to the directory, sorted. */
  readonly files: ReadonlyMap<string, FileSignature>;
  /** Absolute paths of the directory and those below it that are read. */
  readonly directories: readonly string[];
}

const MAX_FILES = 20_000;
const MAX_DEPTH = 16;

/** Hidden files, editors’ backups and temporary files are no configuration. */
export const isConfigFile = (name: string): boolean => !name.startsWith('.') && /\.(?:ya?ml|json)$/i.test(name);

/** @throws the system’s error when the directory itself can not be read; what vanishes meanwhile is left out. */
export async function readTree(root: string): Promise<Tree> {
  const files: [string, FileSignature][] = [];
  const directories: string[] = [];

  const visit = async (relative: string, depth: number): Promise<void> => {
    const absolute = join(root, relative);
    let entries: Dirent[];
    try {
      entries = await readdir(absolute, { withFileTypes: true });
    } catch (error) {
      if (relative === '') throw error;
      if (gone(error)) return;
      throw error;
    }
    directories.push(absolute);
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(relative, entry.name);
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('.') && depth < MAX_DEPTH) await visit(path, depth + 1);
      } else if (isConfigFile(entry.name) && files.length < MAX_FILES) {
        const signature = await signatureOf(join(root, path));
        if (signature !== undefined) files.push([path, signature]);
      }
    }
  };

  await visit('', 0);
  return { files: new Map(files), directories };
}

/** @returns undefined when there is no such file. */
export async function signatureOf(path: string): Promise<FileSignature | undefined> {
  try {
    // Follows links: mounted configuration is replaced by switching one.
    const info = await stat(path, { bigint: true });
    return info.isFile() ? `${info.dev}:${info.ino}:${info.size}:${info.mtimeNs}:${info.ctimeNs}` : undefined;
  } catch (error) {
    if (gone(error)) return undefined;
    throw error;
  }
}

const gone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error) ?? '');
