import { spawn } from 'node:child_process';
import { errorCode, errorMessage } from '@weft/kit';

export interface CommandResult {
  /** 127: there is no such program. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs programs inside the network namespace that rules are for. */
export interface Executor {
  /** Never rejects: what could not be run has a code and says why in `stderr`. */
  run(program: string, args: readonly string[], stdin: string): Promise<CommandResult>;
}

export const NO_PROGRAM = 127;
const NOT_RUNNABLE = 126;
const TIMEOUT_MS = 20_000;

/** @param prefix what enters the namespace: `['nsenter', '-t', '42', '-n']`; empty for this process' own. */
export function processExecutor(prefix: readonly string[] = []): Executor {
  return {
    run(program, args, stdin) {
      const [file = program, ...rest] = [...prefix, program, ...args];
      return new Promise((resolve) => {
        const child = spawn(file, rest, {
          stdio: ['pipe', 'pipe', 'pipe'],
          timeout: TIMEOUT_MS,
          killSignal: 'SIGKILL',
        });
        const stdout: Buffer[] = [];
        const stderr: Buffer[] = [];
        child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
        child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
        child.once('error', (error) =>
          resolve({
            code: errorCode(error) === 'ENOENT' ? NO_PROGRAM : NOT_RUNNABLE,
            stdout: '',
            stderr: errorMessage(error),
          }),
        );
        child.once('close', (code, signal) =>
          resolve({
            code: code ?? NOT_RUNNABLE,
            stdout: Buffer.concat(stdout).toString(),
            stderr: code === null ? `${file} was ended by ${signal ?? 'a signal'}` : Buffer.concat(stderr).toString(),
          }),
        );
        // A program that ends before it has read everything says why in its own words.
        child.stdin.on('error', () => {});
        child.stdin.end(stdin);
      });
    },
  };
}
