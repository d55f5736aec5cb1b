/** Puts objects into files and takes them out: each file is replaced whole, so that a reader never sees a part. */
import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configKey, refOf, type ConfigKey, type ConfigObject, type ConfigRef } from '@weft/contracts/config';
import { errorCode, errorMessage, WeftError, writeFileAtomic, type Logger } from '@weft/kit';
import { isError } from '../../problems.ts';
import type { ConfigText } from '../../text/config-text.ts';
import type { ApplyItem, ApplyResult } from '../config-store.ts';
import { sameContent } from '../object-table.ts';
import { appliedFileName, removeDocument, replaceDocument } from './edit-file.ts';
import type { FileState, Owned } from './file-state.ts';

export interface FileWriterDeps {
  /** Absolute. */
  readonly dir: string;
  readonly logger: Logger;
  readonly configText: ConfigText;
  readonly files: () => ReadonlyMap<string, FileState>;
  readonly owned: () => ReadonlyMap<ConfigKey, Owned>;
  readonly stored: (key: ConfigKey) => ConfigObject | undefined;
}

export interface FileWriter {
  /** @returns the result, and the path of the file that was written, relative to the directory. */
  put(item: ApplyItem): Promise<{ readonly result: ApplyResult; readonly written: string | undefined }>;
  /** @returns the path of the file that was changed or removed; undefined when there is no such object. */
  remove(ref: ConfigRef): Promise<string | undefined>;
}

/** Where objects go that no file holds yet. */
const APPLIED = 'applied';
const NO_ROOM: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

export function createFileWriter({ dir, logger, configText, files, owned, stored }: FileWriterDeps): FileWriter {
  /** The file of an object, in a state that can be edited. @throws {WeftError} when it can not. */
  function editable(ref: ConfigRef): { readonly owner: Owned; readonly file: FileState } | undefined {
    const owner = owned().get(configKey(ref));
    const file = owner === undefined ? undefined : files().get(owner.path);
    if (owner === undefined || file === undefined) return undefined;
    if (file.text !== file.servedText) {
      throw new WeftError('WEFT_CONFIG_FILE_BAD', `${configKey(ref)} is in a file with errors`, {
        where: join(dir, file.path),
        fix: 'Mend the file or remove it, then try again.',
      });
    }
    return { owner, file };
  }

  const inList = (ref: ConfigRef, path: string): WeftError =>
    new WeftError('WEFT_CONFIG_IN_LIST', `${configKey(ref)} is an item of a List`, {
      where: join(dir, path),
      fix: 'Edit that file.',
    });

  async function write(path: string, text: string): Promise<void> {
    const target = join(dir, path);
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
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
        fix: NO_ROOM.has(errorCode(error)) ? 'Make room on its disk.' : 'Make the folder writable for this user.',
      });
    }
  }

  return {
    async put(item) {
      const ref = refOf(item.object);
      const held = stored(configKey(ref));
      const own = join(APPLIED, appliedFileName(ref));
      // The store’s own file of this object may be replaced whole, also when somebody broke it.
      const broken = files().get(own)?.problems.some(isError) === true;
      const at = broken ? undefined : editable(ref);
      if (at === undefined || held === undefined) {
        if (broken) logger.warn({ file: join(dir, own) }, 'a bad file is replaced');
        await write(own, await configText.objectText(item));
        return {
          result: { ref, outcome: held === undefined ? 'created' : 'configured', file: join(dir, own) },
          written: own,
        };
      }
      const { path } = at.file;
      const file = join(dir, path);
      if (sameContent(held, item.object)) return { result: { ref, outcome: 'unchanged', file }, written: undefined };
      const text = replaceDocument(at.file.text, at.owner.parsed, await configText.objectText(item));
      if (text === undefined) throw inList(ref, path);
      await write(path, text);
      return { result: { ref, outcome: 'configured', file }, written: path };
    },
    async remove(ref) {
      const at = editable(ref);
      if (at === undefined) return undefined;
      const rest = removeDocument(at.file.text, at.owner.parsed);
      if (rest === undefined) throw inList(ref, at.file.path);
      if (rest === '') await rm(join(dir, at.file.path), { force: true });
      else await write(at.file.path, rest);
      return at.file.path;
    },
  };
}
