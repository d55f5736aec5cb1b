/** Configuration text from files, folders or standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, WeftError } from '@weft/kit';

export interface InputText {
  /** As the user named it; `-` for standard input. */
  readonly file: string;
  readonly text: string;
}

const CONFIG_FILE = /\.(ya?ml|json)$/i;
const MAX_BYTES = 1 << 20;

export async function readInputs(names: readonly string[]): Promise<readonly InputText[]> {
  if (names.length === 0) {
    throw new WeftError('WEFT_USAGE', 'which configuration?', {
      fix: 'name a file, a folder or - for standard input with -f',
    });
  }
  const inputs: InputText[] = [];
  for (const name of names) {
    if (name === '-') inputs.push({ file: '-', text: await readStdin() });
    else inputs.push(...readPath(name));
  }
  const empty = inputs.find((input) => input.text.trim() === '');
  if (empty) throw new WeftError('WEFT_BAD_INPUT', `${empty.file === '-' ? 'standard input' : empty.file} is empty`);
  return inputs;
}

function readPath(name: string): InputText[] {
  try {
    if (!statSync(name).isDirectory()) return [readFile(name)];
    const files = readdirSync(name, { recursive: true })
      .map(String)
      .filter((file) => CONFIG_FILE.test(file))
      .sort();
    if (files.length === 0)
      throw new WeftError('WEFT_NO_FILE', `the folder ${name} holds no .yaml, .yml or .json file`);
    return files.map((file) => readFile(join(name, file)));
  } catch (error) {
    if (errorCode(error) === 'ENOENT')
      throw new WeftError('WEFT_NO_FILE', `there is no file ${name}`, { cause: error });
    if (errorCode(error) === 'EACCES')
      throw new WeftError('WEFT_NO_FILE', `${name} can not be read by this user`, { cause: error });
    throw error;
  }
}

function readFile(file: string): InputText {
  if (statSync(file).size > MAX_BYTES)
    throw new WeftError('WEFT_BAD_INPUT', `${file} is larger than 1 MiB`, { fix: 'split it into several files' });
  return { file, text: readFileSync(file, 'utf8') };
}

async function readStdin(): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > MAX_BYTES) throw new WeftError('WEFT_BAD_INPUT', 'standard input is larger than 1 MiB');
  }
  return text;
}
