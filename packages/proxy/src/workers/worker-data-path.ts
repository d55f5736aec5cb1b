// The data path of a process with workers: it looks as if it were in the main thread. The main thread compiles what
// configuration brings, so that it alone says what is refused, and hands on what is in force.
import { SECRET_DEFAULT, SECRET_ROOT } from '@weft/contracts';
import type { Clock, Logger, LogLevel } from '@weft/kit';
import type { BytesOf, DataPath, ListenerStatus, RejectedResource, ResourceSet } from '../ports.ts';
import type { CompiledListener } from '../runtime/listeners.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { SecretStore } from '../secrets/secret-store.ts';
import { refusedKey, type ResourceChange, ToldResources } from './held-resources.ts';
import { mergeClusters } from './merge-status.ts';
import type { FromWorker, ReportEntries, UpdateAnswer, WorkerStatus } from './messages.ts';
import { createWorkerProfiles, type WorkerProfiles } from './worker-profiles.ts';
import { WorkerSockets, type WorkerSocketsDeps } from './worker-sockets.ts';
import type { WorkerThreads, WorkerThreadsDeps } from './worker-threads.ts';

export interface WorkerDataPathDeps {
  readonly startThreads: (events: Pick<WorkerThreadsDeps, 'onMessage' | 'onEnded'>) => WorkerThreads;
  readonly sockets: Omit<WorkerSocketsDeps, 'onFree' | 'clock' | 'logger'>;
  readonly runtime: Runtime;
  readonly secrets: SecretStore;
  /** Nothing is accepted until `serve`. */
  readonly held: boolean;
  readonly onLines: (worker: number, path: string, text: string, lines: number) => void;
  readonly onEntries: (entries: ReportEntries) => void;
  /** A worker is gone. */
  readonly onGone: (worker: number) => void;
  /** One is gone, or can not trust itself any more: the process is to end in order. */
  readonly onFailed: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface WorkerDataPath extends DataPath {
  setLogLevel(level: LogLevel): void;
  readonly profile: WorkerProfiles['make'];
}

const NO_CHANGE: ResourceChange = { changed: [], removed: [] };
const STATUS_WITHIN_MS = 1_000;
// A worker that does not answer is not waited for longer than its drain may take.
const DRAINED_WITHIN_MS = 1_000;

export function createWorkerDataPath(deps: WorkerDataPathDeps): WorkerDataPath {
  const { runtime, secrets, clock, logger } = deps;
  const told = new ToldResources();
  const acknowledged = new Map<number, number>();
  const statuses = new Map<number, WorkerStatus>();
  const cut = new Map<number, number>();
  /** Those that `/drain_listeners` ended. */
  const drained = new Set<string>();
  /** With which update each listener came. */
  const since = new Map<string, number>();
  let listeners: ReadonlyMap<string, CompiledListener> = new Map();
  let held = deps.held;
  let version = 0;
  let asked = 0;
  const questions = new Map<number, { readonly from: Set<number>; readonly done: () => void }>();
  let draining = false;
  let onDrained: (() => void) | undefined;

  /** Refusals that nobody has looked at yet, and whether somebody will. */
  let refusals: RejectedResource[] = [];
  let refusedHere: ReadonlySet<string> = new Set();
  let awaiting = false;
  const profiles = createWorkerProfiles((worker, message) => threads.post(worker, message), clock);

  /** What this thread took and a worker did not; in none of them it is to be in force. */
  const onUpdated = (worker: number, { version: answered, refused }: UpdateAnswer): void => {
    acknowledged.set(worker, answered);
    const news = refused.filter(({ type, name }) => !refusedHere.has(refusedKey(type, name)));
    for (const { type, name, reason } of news) logger.error({ worker, type, name, reason }, 'refused by one worker');
    refusals.push(...news);
    if (!awaiting) takeBackRefused();
  };
  const takeBackRefused = (): readonly RejectedResource[] => {
    const refused = [...new Map(refusals.map((one) => [refusedKey(one.type, one.name), one])).values()];
    refusals = [];
    if (refused.length > 0) push(told.takeBack(refused));
    return refused;
  };

  const checkAnswers = (): void => {
    for (const { from, done } of questions.values()) if (threads.alive().every((one) => from.has(one))) done();
  };
  const onMessage = (worker: number, message: FromWorker): void => {
    switch (message.type) {
      case 'updated':
        onUpdated(worker, message);
        return;
      case 'profile':
        profiles.take(message);
        return;
      case 'failed':
        deps.onFailed();
        return;
      case 'status':
        statuses.set(worker, message.status);
        questions.get(message.id)?.from.add(worker);
        checkAnswers();
        return;
      case 'drained':
        cut.set(worker, message.cutConnections);
        onDrained?.();
        return;
      case 'lines':
        deps.onLines(worker, message.path, message.text, message.lines);
        return;
      case 'entries':
        deps.onEntries(message.entries);
        return;
      case 'verdict':
      case 'name':
        for (const other of threads.alive()) if (other !== worker) threads.post(other, message);
        return;
      case 'suspect':
        threads.post(0, message);
    }
  };
  const onEnded = (worker: number, why: string): void => {
    logger.error({ worker, error: why }, 'a worker ended');
    profiles.ended(worker);
    deps.onGone(worker);
    checkAnswers();
    onDrained?.();
    deps.onFailed();
  };
  const threads = deps.startThreads({ onMessage, onEnded });
  const sockets = new WorkerSockets({ ...deps.sockets, clock, logger, onFree: () => push(NO_CHANGE) });

  const tellSecrets = (): void => {
    const { identity } = secrets;
    if (identity === undefined) return;
    const { rootCaPem, ...own } = identity;
    threads.postAll({ type: 'secrets', default: own, rootCaPem });
  };
  const stopSecrets = secrets.onChange((name) => {
    if (name === SECRET_DEFAULT || name === SECRET_ROOT) tellSecrets();
    else threads.postAll({ type: 'named-secret', name, secret: secrets.get(name) });
  });
  tellSecrets();

  /** Tells the workers, with the sockets that they need for it. */
  function push(change: ResourceChange): void {
    const wanted = held ? [] : [...listeners].flatMap(([name, one]) => (one.bind && !drained.has(name) ? one : []));
    const { opened, closed } = sockets.change(wanted);
    const isNothing = change.changed.length + change.removed.length + closed.length === 0;
    if (isNothing && opened.every((list) => list.length === 0)) return;
    version += 1;
    opened.forEach((list, worker) =>
      threads.post(worker, { type: 'update', version, ...change, sockets: list, closed }),
    );
    for (const name of listeners.keys()) if (!since.has(name)) since.set(name, version);
    for (const name of since.keys()) if (!listeners.has(name)) since.delete(name);
  }

  const has = (wanted: number): boolean => threads.alive().every((worker) => (acknowledged.get(worker) ?? 0) >= wanted);
  const statusOf = (name: string, listener: CompiledListener): ListenerStatus => {
    const { address, port, bind } = listener;
    const failure = bind ? sockets.failureAt(address, port) : undefined;
    const isTaken = !held && failure === undefined && has(since.get(name) ?? version);
    const isDraining = draining || drained.has(name);
    return {
      name,
      address: bind && (isTaken || isDraining) ? `${address}:${port}` : '',
      state: isDraining ? 'draining' : failure !== undefined ? 'failed' : isTaken ? 'active' : 'warming',
      reason: failure ?? '',
    };
  };
  const views = (): WorkerStatus[] => threads.alive().flatMap((worker) => statuses.get(worker) ?? []);

  return {
    update(resources: ResourceSet, bytesOf: BytesOf = () => undefined): readonly RejectedResource[] {
      const compiled = runtime.compile(resources);
      ({ listeners } = compiled);
      for (const name of drained) if (!listeners.has(name)) drained.delete(name);
      const { rejected } = compiled;
      for (const { type, name, reason } of rejected) logger.warn({ type, name, reason }, 'resource refused');
      refusedHere = new Set(rejected.map(({ type, name }) => refusedKey(type, name)));
      // Those that only begin will say so by their listeners.
      const allUp = threads.alive().every((worker) => acknowledged.has(worker));
      const before = version;
      push(told.change(resources, refusedHere, bytesOf));
      if (!allUp || version === before) return rejected;
      // Whoever is told that this was taken may count on it in all of them.
      awaiting = true;
      if (!threads.awaitUpdate(version)) logger.warn({ version }, 'a worker is slow to take configuration');
      awaiting = false;
      return [...rejected, ...takeBackRefused()];
    },
    async refresh() {
      asked += 1;
      const id = asked;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          limit.cancel();
          questions.delete(id);
          resolve();
        };
        const limit = clock.after(STATUS_WITHIN_MS, done);
        questions.set(id, { from: new Set(), done });
        threads.postAll({ type: 'tell-status', id });
      });
    },
    listeners() {
      // Those that configuration took away go on for a while.
      const leaving = views().flatMap((view) => view.listeners.filter(({ name }) => !listeners.has(name)));
      const gone = new Map(leaving.map((one) => [one.name, one]));
      return [...[...listeners].map(([name, listener]) => statusOf(name, listener)), ...gone.values()];
    },
    clusters: () => mergeClusters(views().map(({ clusters }) => clusters)),
    activeConnections: () => views().reduce((sum, { connections }) => sum + connections, 0),
    activeRequests: () => views().reduce((sum, { requests }) => sum + requests, 0),
    armedTimers: () => views().reduce((sum, { timers }) => sum + timers, 0),
    // Each gives its share; who holds more than others is asked again, as long as there is too much. They count by themselves.
    relieve(bytes) {
      threads.postAll({ type: 'relieve', bytes: Math.ceil(bytes / threads.count) });
      return 0;
    },
    serve() {
      held = false;
      push(NO_CHANGE);
    },
    sockets: () => sockets.list(),
    drainListeners(plan) {
      const some = [...listeners].flatMap(([name, { direction }]) =>
        plan.inboundOnly && direction !== 'inbound' ? [] : name,
      );
      threads.postAll({ type: 'drain-listeners', plan });
      const close = (): void => {
        for (const name of some) if (listeners.has(name)) drained.add(name);
        push(NO_CHANGE);
      };
      if (!plan.stops) return;
      if (plan.graceful) clock.after(plan.ms, close);
      else close();
    },
    async drain(deadlineMs) {
      draining = true;
      sockets.close();
      threads.postAll({ type: 'drain', deadlineMs });
      await new Promise<void>((resolve) => {
        const limit = clock.at(deadlineMs + DRAINED_WITHIN_MS, resolve);
        onDrained = () => {
          if (!threads.alive().every((worker) => cut.has(worker))) return;
          limit.cancel();
          resolve();
        };
        onDrained();
      });
      return [...cut.values()].reduce((sum, one) => sum + one, 0);
    },
    setLogLevel: (level) => threads.postAll({ type: 'log-level', level }),
    profile: profiles.make,
    async close() {
      stopSecrets();
      sockets.close();
      await threads.close();
    },
  };
}
