// Inputs that are kept: seeds made by hand, and all that ever found something. A `.txt` file is text with \r, \n, \t, \xHH and
// \\ for what can not be seen, whose own line ends mean nothing; a `.hex` file is hex. Lines that begin with `# ` say why.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const CORPUS = new URL('testdata/fuzz-corpus/', import.meta.url);

export function readCorpus(target: string): Buffer[] {
  const folder = new URL(`${target}/`, CORPUS);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .toSorted()
    .map((name) => decode(readFileSync(new URL(name, folder), 'utf8'), name.endsWith('.hex')));
}

function decode(file: string, hex: boolean): Buffer {
  const lines = file.split('\n').filter((line) => !line.startsWith('# ') && line !== '#');
  if (hex) return Buffer.from(lines.join('').replaceAll(/\s/g, ''), 'hex');
  return Buffer.from(
    lines.join('').replaceAll(/\\(r|n|t|\\|x[0-9a-f]{2})/g, (_, code: string) => unescape(code)),
    'latin1',
  );
}

function unescape(code: string): string {
  if (code.startsWith('x')) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
  return { r: '\r', n: '\n', t: '\t' }[code] ?? '\\';
}
