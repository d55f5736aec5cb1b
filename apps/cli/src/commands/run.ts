/** `weft run`: puts any program into the mesh, in the foreground. */
import { constants } from 'node:os';
import { createLogger, systemClock, systemRandom, WeftError } from '@weft/kit';
import { createPlaces, createRemoteLink, runWorkload, startReaper, stateDirAt } from '@weft/local';
import { takeHandover } from '../isolated/handover.ts';
import { joinMesh } from '../isolated/join.ts';
import { podRules } from '../isolated/pod-rules.ts';
import { createAgents } from '../mesh/agents.ts';
import { parseSeconds, stateDirOf } from '../mesh/options.ts';
import { createProgress } from '../mesh/progress.ts';
import { findPrograms } from '../mesh/programs.ts';
import { watchShutdown } from '../mesh/shutdown.ts';
import { meshEnvironment, PROXY_NODE_ARGS, waitReady } from '../mesh/start.ts';
import { workloadSpec, type WorkloadFlags } from '../mesh/workload-spec.ts';

export interface RunFlags extends WorkloadFlags {
  readonly state?: string;
  readonly healthPath?: string;
  readonly drain?: string;
}

const MESH_ENDED = 'the mesh ended';

export async function run(command: readonly string[], flags: RunFlags): Promise<number> {
  const [program, ...args] = command;
  if (program === undefined) {
    throw new WeftError('WEFT_USAGE', 'which program should run in the mesh?', {
      fix: 'weft run --service NAME --port PORT -- COMMAND ARGS',
    });
  }
  const handover = takeHandover(process.env);
  const joined = await joinMesh(stateDirOf(flags.state), handover);
  if (joined.done) return joined.exitCode;
  const spec = await workloadSpec(flags, joined.isolated);
  const dir = stateDirAt(stateDirOf(flags.state));
  const drainMs = parseSeconds(flags.drain, 3, '--drain') * 1000;
  const progress = createProgress();
  const logger = createLogger({ name: 'run', level: 'warn' });
  const shutdown = watchShutdown({ hangUp: true, inner: handover !== undefined, onSecond: () => process.exit(130) });
  const link = createRemoteLink(dir.supervisorSocket, () => shutdown.ask(MESH_ENDED));
  const reaper = startReaper();
  let exitCode = 0;
  try {
    const workload = await runWorkload(
      {
        spec,
        command: { argv: [program, ...args], cwd: process.cwd(), env: definedEnv() },
        ...(flags.healthPath === undefined ? {} : { probe: { kind: 'http' as const, path: flags.healthPath } }),
        restart: false,
      },
      {
        link,
        agents: createAgents(logger),
        places: createPlaces({ podRules, env: { ...meshEnvironment(), WEFT_STATE: dir.root }, logger }),
        reaper,
        clock: systemClock,
        random: systemRandom,
        logger,
        proxyProgram: findPrograms().proxy,
        proxyNodeArgs: PROXY_NODE_ARGS,
        baseEnv: meshEnvironment(),
        onLine: (_, line) => process.stdout.write(`${line}\n`),
        onAppEnd(exit) {
          exitCode = exit.code ?? (exit.signal ? 128 + constants.signals[exit.signal] : 1);
          if (exit.error !== undefined) process.stderr.write(`error: ${program} could not be started: ${exit.error}\n`);
          shutdown.ask(`${program} ended`);
        },
      },
    );
    void waitReady(workload.ready, () => workload.waitingFor(), spec.name, progress).then(
      () => progress.done(`${spec.name} is in the mesh as ${spec.service ?? 'a client'}`),
      (error: unknown) => progress.note(error instanceof Error ? error.message : String(error)),
    );
    const reason = await shutdown.asked;
    await workload.stop(drainMs);
    if (reason === MESH_ENDED) throw meshGone(dir.root, spec.name);
  } finally {
    reaper.close();
    link.close();
    shutdown.release();
  }
  return exitCode;
}

const meshGone = (root: string, name: string): WeftError =>
  new WeftError('WEFT_NOT_RUNNING', `the mesh ended (${root}), and ${name} with it`, {
    fix: 'start it again with "weft up" or "weft demo", then this command',
  });

function definedEnv(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
