/** docs/limits.md names tests: each must be there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const page = readFileSync(join(root, 'docs/limits.md'), 'utf8');

/** A file, and the titles that follow it up to the next one. */
const named = [...page.matchAll(/`([\w./-]+\.test\.ts)`:?((?:[^|`]|`(?![\w./-]+\.test\.ts`))*)/g)].map(
  ([, file = '', rest = '']) => [file, [...rest.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title)] as const,
);
describe('docs/limits.md', () => {
  it.each(named.map(([file, titles]) => [file, titles] as const))('%s has the tests %j', (file, titles) => {
    expect(existsSync(join(root, file))).toBe(true);
    const text = readFileSync(join(root, file), 'utf8');
    expect(titles.length).toBeGreaterThan(0);
    for (const title of titles) expect(text).toContain(title);
  });
});
