/** Configuration text from files, folders or standard input. */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, WeftError } from '@weft/kit';

export interface InputText {
  /** As the user named it; `-` for standard input. */
  readonly file: string;
  readonly text: string;
}

const CONFIG_FILE = /\.(ya?ml|json)$/i;
const MAX_BYTES = 1 << 20;
const CHUNK_BYTES = 64 * 1024;

/** @throws {WeftError} WEFT_USAGE, WEFT_NO_FILE, WEFT_BAD_INPUT. */
export async function readInputs(names: readonly string[]): Promise<readonly InputText[]> {
  if (names.length === 0) {
    throw new WeftError('WEFT_USAGE', 'which configuration?', {
      fix: 'name a file, a folder or - for standard input with -f',
    });
  }
  const inputs: InputText[] = [];
  for (const name of names) {
    if (name === '-') inputs.push({ file: '-', text: textOf(await readStdin(), 'standard input') });
    else for (const file of filesOf(name)) inputs.push({ file, text: textOf(readFile(file), file) });
  }
  const empty = inputs.find((input) => input.text.trim() === '');
  if (empty) throw new WeftError('WEFT_BAD_INPUT', `${empty.file === '-' ? 'standard input' : empty.file} is empty`);
  return inputs;
}

function filesOf(name: string): readonly string[] {
  return orNoFile(name, () => {
    if (!statSync(name).isDirectory()) return [name];
    const files = filesBelow(name)
      .filter((file) => CONFIG_FILE.test(file) && statSync(file).isFile())
      .sort();
    if (files.length === 0)
      throw new WeftError('WEFT_NO_FILE', `the folder ${name} holds no .yaml, .yml or .json file`);
    return files;
  });
}

// Links to files are among them. Links to folders, which may lead in circles, are not followed: Node's own `recursive`
// does so, or not, by its version.
const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });

/** Also of what has no size beforehand: a pipe, as a shell's `<(command)` is, or a device without end. */
function readFile(file: string): Buffer {
  return orNoFile(file, () => {
    const fd = openSync(file, 'r');
    try {
      const chunks: Buffer[] = [];
      let bytes = 0;
      for (;;) {
        const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
        const read = readSync(fd, chunk);
        if (read === 0) return Buffer.concat(chunks);
        chunks.push(chunk.subarray(0, read));
        bytes += read;
        if (bytes > MAX_BYTES) throw tooLarge(file);
      }
    } finally {
      closeSync(fd);
    }
  });
}

async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BYTES) throw tooLarge('standard input');
  }
  return Buffer.concat(chunks);
}

const tooLarge = (what: string): WeftError =>
  new WeftError('WEFT_BAD_INPUT', `${what} is larger than 1 MiB`, { fix: 'split it into several files' });

/** Other bytes would silently become question marks in names and values. */
function textOf(bytes: Buffer, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    throw new WeftError('WEFT_BAD_INPUT', `${what} is ${utf16 ? 'UTF-16' : 'not UTF-8'} text`, {
      cause,
      fix: 'save it as UTF-8',
    });
  }
}

function orNoFile<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WeftError) throw error;
    const code = errorCode(error);
    if (code === undefined) throw error;
    const why =
      code === 'ENOENT'
        ? `there is no file ${name}`
        : code === 'EACCES' || code === 'EPERM'
          ? `${name} can not be read by this user`
          : `${name} can not be read (${code})`;
    throw new WeftError('WEFT_NO_FILE', why, { cause: error });
  }
}
