/** The same command once more, inside other namespaces: started there, given our signals, and ended with us. */
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { WeftError } from '@weft/kit';
import type { CommandLine } from '@weft/local';
import { ownProgram } from '../mesh/programs.ts';
import { handoverEnv, type Handover } from './handover.ts';

export interface InnerProcess {
  readonly child: ChildProcess;
  /** Its exit code, as a shell would give it. */
  readonly ended: Promise<number>;
}

const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** This command with these arguments; what was started may have been a launcher (tools/demo.mjs) that became it. */
const ownCommand = (): CommandLine => [process.execPath, ...process.execArgv, ownProgram(), ...process.argv.slice(2)];

/**
 * @param enter words before the command; the process that they start must become it.
 * @param descriptors become 4, 5, … there. Descriptor 3 is the line between the two: its end tells that we are gone.
 */
export function startInner(
  enter: (argv: CommandLine) => CommandLine,
  handover: Handover,
  descriptors: readonly number[] = [],
): InnerProcess {
  const [command, ...args] = enter(ownCommand());
  const child = spawn(command, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...descriptors],
    env: { ...process.env, ...handoverEnv(handover) },
    // In a group of its own it gets each signal once, from us.
    detached: true,
  });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of PASSED_ON) process.on(signal, pass);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(
        new WeftError('WEFT_ISOLATION_UNAVAILABLE', `${command} could not be started: ${cause.message}`, { cause }),
      ),
    );
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  }).finally(() => {
    for (const signal of PASSED_ON) process.off(signal, pass);
  });
  return { child, ended };
}
