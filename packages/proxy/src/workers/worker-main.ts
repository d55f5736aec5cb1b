// One worker: a data path in a thread of its own. What it is told comes from worker-data-path.ts in the main thread.
import type { MessagePort } from 'node:worker_threads';
import { createRegexEngine } from '@weft/evaluator';
import { type Clock, createLogger, errorMessage, type Random } from '@weft/kit';
import { localityName } from '@weft/contracts';
import { createAccessLogs } from '../access-log/access-logs.ts';
import { createProfiler } from '../admin/profiles.ts';
import { SharedSockets } from '../listeners/shared-sockets.ts';
import { createCollector } from '../overload/collector.ts';
import { descriptorsLeft } from '../overload/descriptors.ts';
import { readMemory } from '../overload/process-memory.ts';
import { followOverload, tellOfHeap } from '../overload/shared-overload.ts';
import { createProxy } from '../proxy.ts';
import { ORDINARY_LOGS_PER_SECOND } from '../reporting/log-intake.ts';
import { createSecretStore } from '../secrets/secret-store.ts';
import { SharedTable } from '../shared/shared-cells.ts';
import { machineHasAddress } from '../sockets/machine-addresses.ts';
import { loadSocketCalls, markedSockets, originalDestinations } from '../sockets/native-sockets.ts';
import { createPeerExchange } from '../stats/peer-exchange.ts';
import { createStats } from '../stats/stats.ts';
import { localityOfMetadata, workloadOfMetadata } from '../stats/workload-labels.ts';
import { createTracer } from '../tracing/tracer.ts';
import { forwardLines, forwardReports } from './forwarders.ts';
import { HeldResources, NO_RESOURCES } from './held-resources.ts';
import type { FromWorker, ToWorker, UpdateAnswer, WorkerStart } from './messages.ts';

export interface WorkerDeps {
  readonly port: Pick<MessagePort, 'on' | 'postMessage'>;
  /** For answers to updates. */
  readonly answers: Pick<MessagePort, 'postMessage'>;
  /** Ends this thread at once. */
  readonly exit: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: (name: string) => string | undefined;
}

export interface RunningWorker {
  /** Something happened that nobody expected: says so, and lets what is under way finish, if nothing more happens. */
  fail(error: Error): void;
  /** The thread ends: nobody is to wait for it. */
  gone(): void;
}

const NEVER_AGAIN = 0x7fff_ffff;

/** Serves until the thread is ended. */
export function runWorker(start: WorkerStart, deps: WorkerDeps): RunningWorker {
  const { port, answers, clock, random, environment } = deps;
  const { number, workers, nodeId, metadata, memory } = start;
  const send = (message: FromWorker): void => port.postMessage(message);
  const logger = createLogger({ name: 'proxy' }).child({ worker: number });
  logger.setLevel(start.logLevel);
  const self = workloadOfMetadata(metadata);
  const locality = localityOfMetadata(metadata);
  const secrets = createSecretStore();
  const stats = createStats(self, { memory: memory.stats, ownPrincipal: () => secrets.identity?.spiffeId ?? '' });
  const logged = new Int32Array(memory.logged);
  const accessLogs = createAccessLogs({
    clock,
    logger,
    random,
    regex: createRegexEngine(),
    hostname: start.hostname,
    environment,
    openWriter: (path) => forwardLines(path, { send, clock, logged }),
    onRecord: (record) => reports.log(record),
  });
  const reports = forwardReports({
    send,
    clock,
    ordinaryPerSecond: Math.ceil(ORDINARY_LOGS_PER_SECOND / workers),
    droppedLines: () => accessLogs.dropped(),
  });
  tellOfHeap(memory.overload, number, { read: readMemory, collect: createCollector(clock), clock });
  const sockets = new SharedSockets();
  const leads = number === 0;
  const path = createProxy({
    resources: NO_RESOURCES,
    secrets,
    stats,
    accessLogs,
    tracer: createTracer({
      random,
      nodeId,
      meshId: typeof metadata['MESH_ID'] === 'string' ? metadata['MESH_ID'] : '',
      self,
      onSpan: (span) => reports.span(span),
    }),
    peers: createPeerExchange(nodeId, self),
    clock,
    random,
    sockets,
    maxConnections: start.maxConnections,
    maxWaitingHandshakes: start.maxWaitingHandshakes,
    overload: followOverload(memory.overload),
    descriptors: { max: start.maxDescriptor, left: descriptorsLeft },
    drainMs: start.drainTimeMs,
    hasAddress: machineHasAddress,
    locality: locality.region === '' ? '' : localityName(locality),
    loadOriginalDestinations: () => originalDestinations(loadSocketCalls()),
    ...(start.socketMark === undefined ? {} : { openMarked: markedSockets(loadSocketCalls(), start.socketMark) }),
    worker: {
      number,
      shared: new SharedTable(memory.cells, number),
      addresses: new SharedTable(memory.addresses, number),
      verdicts: {
        leads,
        tell: leads ? (verdict) => send({ type: 'verdict', verdict }) : undefined,
        suspect: (cluster, host, kind) => send({ type: 'suspect', suspect: { cluster, host, kind } }),
      },
      names: { leads, tell: leads ? (answer) => send({ type: 'name', answer }) : undefined },
    },
    logger,
  });
  const held = new HeldResources();
  const profiler = createProfiler((ms) => new Promise((resolve) => void clock.after(ms, resolve)));
  const answered = new Int32Array(memory.answered);
  const tellAnswered = (version: number): void => {
    Atomics.store(answered, 0, version);
    Atomics.notify(answered, 0);
  };
  const streamsReset = stats.counter('overload.streams_reset');

  const flush = async (): Promise<void> => {
    reports.flush();
    await accessLogs.close();
  };

  const take = (message: ToWorker): void => {
    switch (message.type) {
      case 'update': {
        for (const [address, fd] of message.sockets) sockets.put(address, fd);
        const isChange = message.changed.length + message.removed.length > 0;
        const refused = isChange ? path.update(held.change(message)) : [];
        for (const address of message.closed) sockets.remove(address);
        const { version } = message;
        answers.postMessage({ type: 'updated', version, refused } satisfies UpdateAnswer);
        tellAnswered(version);
        return;
      }
      case 'secrets':
        secrets.replace(message.default, message.rootCaPem);
        return;
      case 'named-secret':
        if (message.secret === undefined) secrets.drop(message.name);
        else secrets.put(message.name, message.secret);
        return;
      case 'log-level':
        logger.setLevel(message.level);
        return;
      case 'drain-listeners':
        path.drainListeners(message.plan);
        return;
      case 'drain':
        void path.drain(message.deadlineMs).then(async (cutConnections) => {
          await flush();
          send({ type: 'drained', cutConnections });
        });
        return;
      case 'relieve':
        stats.add(streamsReset, path.relieve(message.bytes));
        return;
      case 'tell-status':
        send({
          type: 'status',
          id: message.id,
          status: {
            listeners: path.listeners(),
            clusters: path.clusters(),
            connections: path.activeConnections(),
            requests: path.activeRequests(),
            timers: path.armedTimers(),
          },
        });
        return;
      case 'verdict':
        path.follow(message.verdict);
        return;
      case 'name':
        path.learn(message.answer);
        return;
      case 'profile': {
        const { id, kind, ms } = message;
        profiler.make(kind, ms).then(
          (profile) => send({ type: 'profile', id, profile }),
          (error: unknown) => send({ type: 'profile', id, error: errorMessage(error) }),
        );
        return;
      }
      case 'suspect':
        path.suspected(message.suspect.cluster, message.suspect.host, message.suspect.kind);
    }
  };
  port.on('message', take);
  let failed = false;
  return {
    fail(error) {
      logger.error({ error: error.stack ?? errorMessage(error) }, 'unexpected error');
      if (failed) return deps.exit();
      failed = true;
      send({ type: 'failed' });
    },
    gone: () => tellAnswered(NEVER_AGAIN),
  };
}
