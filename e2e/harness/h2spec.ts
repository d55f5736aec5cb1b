/** h2spec, the judge of HTTP/2 servers: found, or built from its Go module in a folder of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const MODULE = 'github.com/summerwind/h2spec/cmd/h2spec';
const VERSION = 'v2.2.1+incompatible';
const BUILD_MS = 240_000;

export type FoundH2Spec = { readonly path: string } | { readonly path?: undefined; readonly reason: string };

/** `WEFT_H2SPEC` (a path), else built with the `go` on PATH into `directory`. The reason is for a skipped test. */
export function findH2Spec(directory: string, environment: NodeJS.ProcessEnv = process.env): FoundH2Spec {
  const named = environment['WEFT_H2SPEC'];
  if (named) {
    return spawnSync(named, ['--version']).status === 0
      ? { path: named }
      : { reason: `WEFT_H2SPEC=${named} does not answer to --version` };
  }
  if (spawnSync('go', ['version']).status !== 0)
    return { reason: 'WEFT_H2SPEC is not set, and no go on PATH to build it' };
  const path = join(directory, 'h2spec');
  for (const args of [
    ['mod', 'init', 'judges'],
    ['get', `${MODULE}@${VERSION}`],
    ['build', '-p', '2', '-trimpath', '-o', path, MODULE],
  ]) {
    const { status, stderr } = spawnSync('go', args, { cwd: directory, encoding: 'utf8', timeout: BUILD_MS });
    if (status !== 0) return { reason: `go ${args.join(' ')}: ${(stderr ?? '').trim().split('\n').at(-1) ?? ''}` };
  }
  return { path };
}

export interface Verdict {
  readonly passed: number;
  readonly skipped: number;
  /** What the tests that failed do. */
  readonly failures: readonly string[];
  /** All that it said. */
  readonly text: string;
}

/** The whole suite against one server. @param seconds for each answer; on a busy machine they take their time. */
export async function judge(path: string, url: string, seconds = 15): Promise<Verdict> {
  const { hostname, port } = new URL(url);
  const child = spawn(path, ['-h', hostname, '-p', port, '-o', String(seconds)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(child, 'close');
  const counts = /(\d+) passed, (\d+) skipped, \d+ failed/.exec(text);
  // Each is told twice: where it stands, and once more at the end.
  const failures = new Set([...text.matchAll(/× \d+: (.+)/g)].map(([, what = '']) => what.trim()));
  return { passed: Number(counts?.[1]), skipped: Number(counts?.[2]), failures: [...failures], text };
}
