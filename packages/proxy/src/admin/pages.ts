import { createRegexEngine } from '@weft/evaluator';
import { errorMessage, type LogLevel, LOG_LEVELS, type Logger } from '@weft/kit';
import type { WorkerHeap } from '../overload/shared-overload.ts';
import type { DataPath } from '../ports.ts';
import { prometheusPage, PROMETHEUS_TYPE } from '../stats/prometheus-page.ts';
import type { NamedStat, Stats } from '../stats/stats.ts';
import type { AdminPage, AdminReply } from './admin-server.ts';
import { type ControlDeps, controlPages } from './control-pages.ts';
import { addressJson, clustersJson, clustersText } from './cluster-page.ts';
import { type Readiness, readyPage } from './readiness.ts';

export interface ListenerDrain {
  readonly inboundOnly: boolean;
  /** Answers say close for the drain time, before nothing more is accepted. */
  readonly graceful: boolean;
  /** False: answers say close, and all that comes is accepted for ever. */
  readonly stops: boolean;
}

export interface PagesDeps extends ControlDeps {
  readonly stats: Stats;
  /** Values that are only known when asked: uptime, memory, drops. */
  readonly readings: () => readonly NamedStat[];
  readonly dataPath: DataPath;
  readonly readiness: () => Readiness;
  readonly configDump: (query: URLSearchParams) => Promise<string>;
  readonly certs: () => object;
  readonly serverInfo: () => object;
  readonly logger: Logger;
  /** Of threads beside the main one. */
  readonly workerHeaps: () => readonly WorkerHeap[];
  /** Begins a drain of so long, at whose end the process ends; harmless when one runs. */
  readonly drain: (ms: number) => void;
  /** Only listeners, of all or of the inbound side. */
  readonly drainListeners: (plan: ListenerDrain) => void;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const DEFAULT_DRAIN_MS = 5_000;
const MAX_DRAIN_MS = 600_000;

const json = (value: object): AdminReply => ({ type: JSON_TYPE, body: `${JSON.stringify(value, undefined, 1)}\n` });
const refused = (reason: string): AdminReply => ({ status: 400, body: `${reason}\n` });

export function adminPages(deps: PagesDeps): AdminPage[] {
  const { dataPath, logger } = deps;
  const read = (path: string, about: string, answer: AdminPage['answer']): AdminPage => ({
    path,
    about,
    kind: 'read',
    answer,
  });
  const write = (path: string, about: string, answer: AdminPage['answer']): AdminPage => ({
    path,
    about,
    kind: 'write',
    answer,
  });
  const drainPage = (query: URLSearchParams): AdminReply => {
    const text = query.get('seconds');
    const ms = text === null ? DEFAULT_DRAIN_MS : Number(text) * 1000;
    if (!(ms >= 0 && ms <= MAX_DRAIN_MS)) return refused(`seconds must be 0 to ${MAX_DRAIN_MS / 1000}`);
    deps.drain(ms);
    return { body: 'OK\n' };
  };
  return [
    read('/ready', 'LIVE, or what the proxy waits for', () => readyPage(deps.readiness())),
    read(
      '/config_dump',
      "all configuration in force, in Envoy's form (include_eds, resource=, mask=, name_regex=)",
      async (query) => {
        try {
          return { type: JSON_TYPE, body: await deps.configDump(query) };
        } catch (error) {
          const missing = error instanceof Error && error.name === 'NotInDumpError';
          return missing ? { status: 404, body: `${error.message}\n` } : refused(errorMessage(error));
        }
      },
    ),
    read('/clusters', 'upstream hosts and what they did (filter=REGEX, format=json)', (query) =>
      clustersPage(dataPath, query),
    ),
    read('/listeners', 'listeners and their addresses (format=json)', (query) => listenersPage(dataPath, query)),
    read('/stats', 'counters and gauges (filter=REGEX, usedonly, type=, format=json|prometheus)', (query) =>
      statsPage(deps, query),
    ),
    read('/stats/prometheus', 'the same with the standard metrics, for Prometheus', (query) =>
      statsPage(deps, query, 'prometheus'),
    ),
    read('/logging', 'log level', () => ({ body: `active loggers:\n  proxy: ${logger.level()}\n` })),
    write('/logging', 'changes the log level (level=LEVEL), or tells it', (query) => loggingPage(logger, query)),
    write(
      '/drain_listeners',
      'stops accepting; the proxy goes on (inboundonly; graceful: answers say close for the drain time first; skip_exit: for ever)',
      (query) => drainListenersPage(deps, query),
    ),
    write('/drain', 'stops accepting, lets requests finish, and ends (seconds=)', drainPage),
    read('/certs', 'certificates in use, without keys', () => json(deps.certs())),
    read('/server_info', 'version, state, node and options', () => json(deps.serverInfo())),
    read('/memory', 'memory of the process in bytes', () =>
      json(memoryJson(process.memoryUsage(), deps.workerHeaps())),
    ),
    read('/init_dump', 'what the proxy waits for', () => json(initDump(deps.readiness()))),
    read('/hot_restart_version', 'what can take over from this process by sharing memory: nothing', () => ({
      body: 'disabled\n',
    })),
    read('/runtime', 'runtime settings: there are none', () => json({ layers: [], entries: {} })),
    write('/runtime_modify', 'changes runtime settings: there are none', () => ({
      status: 503,
      body: 'there are no runtime settings, and no layer of them to change\n',
    })),
    read('/contention', 'waits for locks: there are none', () => ({ body: 'no thread here waits for a lock\n' })),
    ...controlPages(deps),
  ];
}

/** Envoy's names for it, and Node's. */
const memoryJson = (memory: NodeJS.MemoryUsage, workers: readonly WorkerHeap[]): object => ({
  allocated: String(
    workers.reduce((sum, { used, external }) => sum + used + external, memory.heapUsed + memory.external),
  ),
  heap_size: String(memory.heapTotal),
  total_physical_bytes: String(memory.rss),
  ...memory,
  ...(workers.length === 0 ? {} : { workers }),
});

/** Envoy's `envoy.admin.v3.UnreadyTargetsDumps`. */
const initDump = ({ waitingFor }: Readiness): object =>
  waitingFor.length === 0 ? {} : { unready_targets_dumps: [{ name: 'proxy', target_names: waitingFor }] };

async function clustersPage(dataPath: DataPath, query: URLSearchParams): Promise<AdminReply> {
  const wanted = nameFilter(query.get('filter'));
  if (typeof wanted === 'string') return refused(wanted);
  await dataPath.refresh();
  const clusters = dataPath.clusters().filter(({ name }) => wanted?.(name) ?? true);
  return query.get('format') === 'json'
    ? { type: JSON_TYPE, body: clustersJson(clusters) }
    : { body: clustersText(clusters) };
}

/** @returns undefined for all names, or what is wrong with the pattern. */
function nameFilter(pattern: string | null): ((name: string) => boolean) | string | undefined {
  if (pattern === null) return undefined;
  try {
    const regex = createRegexEngine().compile(`.*(?:${pattern}).*`);
    return (name) => regex.matchesWhole(name);
  } catch (error) {
    return `filter: ${errorMessage(error)}`;
  }
}

async function listenersPage(dataPath: DataPath, query: URLSearchParams): Promise<AdminReply> {
  await dataPath.refresh();
  const listeners = dataPath.listeners();
  if (query.get('format') !== 'json') {
    return {
      body: listeners
        .map(
          ({ name, address, state, reason }) =>
            `${name}::${address}${state === 'active' ? '' : `::${state}${reason === '' ? '' : `: ${reason}`}`}\n`,
        )
        .join(''),
    };
  }
  return json({
    listener_statuses: listeners.map(({ name, address, state, reason }) => ({
      name,
      local_address: addressJson(address),
      // Fields of our own only where there is something to tell: tools made for Envoy may know no others.
      ...(state === 'active' ? {} : { state }),
      ...(reason === '' ? {} : { reason }),
    })),
  });
}

/** As Envoy's. */
function drainListenersPage({ drainListeners }: PagesDeps, query: URLSearchParams): AdminReply {
  const wanted = [...query.keys()].find((key) => !['graceful', 'inboundonly', 'skip_exit'].includes(key));
  if (wanted !== undefined) return refused(`${wanted} is none of graceful, inboundonly and skip_exit`);
  const graceful = query.has('graceful');
  const skipExit = query.has('skip_exit');
  drainListeners({ inboundOnly: query.has('inboundonly'), graceful: graceful || skipExit, stops: !skipExit });
  return { body: 'OK\n' };
}

function loggingPage(logger: Logger, query: URLSearchParams): AdminReply {
  // Envoy's forms: for all, for one by its name, and for several as paths=NAME:LEVEL.
  const told: AdminReply = { body: `active loggers:\n  proxy: ${logger.level()}\n` };
  if (query.size === 0) return told;
  const wanted = query.get('level') ?? query.get('proxy') ?? /^proxy:(\w+)$/.exec(query.get('paths') ?? '')?.[1] ?? '';
  const level: LogLevel | undefined = ENVOY_LEVELS.get(wanted) ?? LOG_LEVELS.find((one) => one === wanted);
  if (level === undefined) return refused(`the logger is proxy, and its level one of ${LOG_LEVELS.join(', ')}`);
  logger.setLevel(level);
  return { body: `active loggers:\n  proxy: ${level}\n` };
}

const ENVOY_LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ['warning', 'warn'],
  ['critical', 'error'],
  ['off', 'silent'],
]);

const TYPES: readonly string[] = ['All', 'Counters', 'Gauges', 'Histograms', 'TextReadouts'];

async function statsPage(
  { dataPath, stats, readings }: PagesDeps,
  query: URLSearchParams,
  format = query.get('format'),
): Promise<AdminReply> {
  await dataPath.refresh();
  const filter = nameFilter(query.get('filter'));
  if (typeof filter === 'string') return refused(filter);
  if (format === 'prometheus') return { type: PROMETHEUS_TYPE, body: prometheusPage(stats, readings(), filter) };
  const used = query.has('usedonly');
  const type = query.get('type') ?? 'All';
  if (!TYPES.includes(type)) return refused(`type must be one of ${TYPES.join(', ')}`);
  const all = [...stats.named(), ...readings()]
    .filter(
      ({ name, kind, value }) =>
        (filter === undefined || filter(name)) &&
        (!used || value !== 0) &&
        (type === 'All' || type.toLowerCase() === `${kind}s`),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (format === 'json') return json({ stats: all.map(({ name, value }) => ({ name, value })) });
  if (format !== null && format !== 'text') return refused(`format ${format} is not known`);
  return { body: all.map(({ name, value }) => `${name}: ${value}\n`).join('') };
}
