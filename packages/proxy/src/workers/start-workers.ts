// Puts together what a process with workers has in its main thread.
import type { Clock, Logger, Random } from '@weft/kit';
import type { AccessLogsHandle } from '../access-log/access-logs.ts';
import type { ProxyOptions } from '../options.ts';
import type { StatsSink } from '../ports.ts';
import type { Reporter } from '../reporting/reporter.ts';
import { createCompiler } from '../runtime/compiler.ts';
import type { SecretStore } from '../secrets/secret-store.ts';
import { PRIVATE_CELLS, refusedBy, releaseLock } from '../shared/shared-cells.ts';
import { loadListeningSockets } from '../sockets/listening-sockets.ts';
import { machineHasAddress } from '../sockets/machine-addresses.ts';
import { loadSocketCalls, originalDestinations } from '../sockets/native-sockets.ts';
import { TimerQueue } from '../timers/timer-queue.ts';
import { watchSecrets } from '../tls/tls-material.ts';
import type { WorkerStart } from './messages.ts';
import { createWorkerDataPath, type WorkerDataPath } from './worker-data-path.ts';
import { memoryOf, type ProcessMemory } from './worker-memory.ts';
import { startWorkerThreads } from './worker-threads.ts';

export interface WorkersDeps {
  /** What each thread runs. */
  readonly program: URL;
  readonly options: ProxyOptions;
  readonly maxConnections: number;
  readonly maxDescriptor: number;
  readonly hostname: string;
  readonly memory: ProcessMemory;
  readonly secrets: SecretStore;
  readonly stats: StatsSink;
  readonly accessLogs: AccessLogsHandle;
  readonly reporter: Reporter;
  readonly onFailed: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Workers extends WorkerDataPath {
  /** Lines of access logs that got lost in them. */
  readonly lostLines: () => number;
  /** How often a limit was counted by a worker for itself, since there was no room to count it together. */
  readonly unsharedLimits: () => number;
}

/** @throws {WeftError} WEFT_NATIVE_CALLS. */
export function startWorkers(deps: WorkersDeps): Workers {
  const { options, memory, secrets, accessLogs, reporter, clock, random, logger } = deps;
  const calls = loadListeningSockets();
  const timers = new TimerQueue(clock);
  const liveSecrets = watchSecrets(secrets, () => {});
  const logged = memory.logged.map((one) => new Int32Array(one));
  let lostLines = 0;
  const { runtime } = createCompiler({
    clock,
    timers,
    random,
    stats: deps.stats,
    // It carries no traffic, and must never wait for a thread that does.
    shared: PRIVATE_CELLS,
    secrets: liveSecrets,
    accessLogs,
    hasAddress: machineHasAddress,
    loadOriginalDestinations: () => originalDestinations(loadSocketCalls()),
  });
  const starts = memory.stats.map((_, number): WorkerStart => ({
    number,
    workers: memory.workers,
    nodeId: options.nodeId,
    metadata: options.metadata,
    hostname: deps.hostname,
    maxConnections: deps.maxConnections,
    maxWaitingHandshakes: options.maxWaitingHandshakes,
    maxDescriptor: deps.maxDescriptor,
    drainTimeMs: options.drainTimeMs,
    socketMark: options.socketMark,
    logLevel: logger.level(),
    memory: memoryOf(memory, number),
  }));
  const path = createWorkerDataPath({
    startThreads: (events) => startWorkerThreads({ program: deps.program, starts, clock, ...events }),
    sockets: { workers: memory.workers, inherited: options.inherited, calls },
    runtime,
    secrets,
    held: options.replaces,
    onLines(worker, file, text, lines) {
      const untaken = logged[worker];
      if (untaken !== undefined) {
        Atomics.sub(untaken, 0, text.length);
        Atomics.sub(untaken, 1, lines);
      }
      accessLogs.append(file, text, lines);
    },
    onEntries({ spans, logs, held, droppedLines }) {
      reporter.take(spans, logs, held);
      lostLines += droppedLines;
    },
    onGone(worker) {
      releaseLock(memory.cells, worker);
      releaseLock(memory.addresses, worker);
      const lines = logged[worker]?.[1] ?? 0;
      if (lines === 0) return;
      lostLines += lines;
      logger.warn({ worker, lines }, 'lines of access logs were lost with a worker');
    },
    onFailed: deps.onFailed,
    clock,
    logger,
  });
  return {
    ...path,
    lostLines: () => lostLines,
    unsharedLimits: () => refusedBy(memory.cells) + refusedBy(memory.addresses),
    async close() {
      await path.close();
      liveSecrets.close();
      timers.close();
    },
  };
}
