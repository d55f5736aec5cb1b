/** docs/errors.md is compared with what the sources can say: nothing is missing in it and nothing left over. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CODES } from '@weft/config';
import { REASONS } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import { EXIT } from './exit-codes.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const page = readFileSync(join(root, 'docs/errors.md'), 'utf8');

/** What ships: no tests, and nothing that only tests use. */
function sourcesOf(parent: string, only?: string): string {
  return readdirSync(join(root, parent))
    .filter((name) => only === undefined || name === only)
    .map((name) => join(root, parent, name, 'src'))
    .flatMap((src) => readdirSync(src, { recursive: true, encoding: 'utf8' }).map((file) => join(src, file)))
    .filter(
      (file) => /\.tsx?$/.test(file) && !/\.test\.ts$|[/\\](testing|test-support|testdata|browser)[/\\]/.test(file),
    )
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
}

const SOURCES = sourcesOf('packages') + sourcesOf('apps');
const CONFIG = sourcesOf('packages', 'config');
const CONSOLE_API = sourcesOf('packages', 'console-api');

const found = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ''))].toSorted();
const section = (title: string): string => page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
/** The first cells of a section's tables that look like this. */
const rows = (title: string, code: RegExp): string[][] =>
  section(title)
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .filter((cells) => code.test(cells[1] ?? ''))
    .map((cells) => cells.slice(1, -1));
const codes = (title: string, code: RegExp): string[] =>
  rows(title, code)
    .map(([first = '']) => first)
    .toSorted();

describe('docs/errors.md', () => {
  it('has every code of an error, once', () => {
    // A quoted name after `env[` is a variable of the environment.
    const said = found(SOURCES, /(?<!env\[)['"](WEFT_[A-Z_]+)['"]/g);
    expect(said.length).toBeGreaterThan(40);
    expect(codes('The command', /^WEFT_/)).toEqual(said);
  });

  it('has every exit code', () => {
    const known = Object.values(EXIT).map(String);
    expect(rows('The command', /^\d+$/).map(([first]) => first)).toEqual(known);
  });

  it('has a heading for every code of the API, since answers link there', () => {
    const said = found(CONSOLE_API, /ApiError\(\s*\d{3},\s*'([a-z-]+)'/g);
    expect(said.length).toBeGreaterThan(10);
    expect(found(section('The API'), /^### (.+)$/gm)).toEqual(said);
  });

  it('has every code of configuration, and its meaning as the code says it', () => {
    const meanings = rows('Configuration', /^W\d{4}$/).map(([code = '', meaning = '']) => [code, meaning]);
    expect(Object.fromEntries(meanings)).toEqual(CODES);
    expect(meanings.length).toBe(Object.keys(CODES).length);
  });

  it("has every one of Istio's codes", () => {
    expect(codes('Configuration', /^IST/)).toEqual(found(CONFIG, /'(IST\d{4})'/g));
  });

  it('has every reason for an answer of the mesh, with its status and flag', () => {
    const said = Object.entries(REASONS).map(([code, { status, flag }]) => [code, String(status), flag]);
    const written = rows('Answers of the mesh', /^[a-z][a-z0-9-]+$/).filter(([first]) => first !== 'reason');
    expect(written.map((cells) => cells.slice(0, 3))).toEqual(said);
  });

  it('leaves no meaning and no mend empty', () => {
    const empty = page.split('\n').filter((line) => line.startsWith('|') && /\|\s*\|/.test(line));
    expect(empty).toEqual([]);
  });
});
