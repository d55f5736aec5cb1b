// Pages that change what the process does. All want POST and the token.
import { errorMessage } from '@weft/kit';
import type { Stats } from '../stats/stats.ts';
import type { AdminPage, AdminReply } from './admin-server.ts';
import type { ProfileKind, ThreadProfilers } from './profiles.ts';

export interface ControlDeps {
  readonly stats: Pick<Stats, 'resetCounters'>;
  /** Whether `/ready` says no, whatever else holds. */
  readonly failHealthCheck: (fails: boolean) => void;
  /** Ends the process, in order. */
  readonly quit: () => void;
  /** @returns files that could not be opened. */
  readonly reopenLogs: () => readonly string[];
  readonly profilers: ThreadProfilers;
}

const DEFAULT_PROFILE_MS = 5_000;
const MAX_PROFILE_MS = 60_000;
const JSON_TYPE = 'application/json; charset=utf-8';

export function controlPages(deps: ControlDeps): AdminPage[] {
  const write = (path: string, about: string, answer: AdminPage['answer']): AdminPage => ({
    path,
    about,
    kind: 'write',
    answer,
  });
  const does = (act: () => void) => (): AdminReply => {
    act();
    return { body: 'OK\n' };
  };
  return [
    write(
      '/healthcheck/fail',
      'the proxy says that it is not ready, until /healthcheck/ok',
      does(() => deps.failHealthCheck(true)),
    ),
    write(
      '/healthcheck/ok',
      'takes /healthcheck/fail back',
      does(() => deps.failHealthCheck(false)),
    ),
    write(
      '/reset_counters',
      'sets all named counters to 0; the standard metrics go on',
      does(() => deps.stats.resetCounters()),
    ),
    write(
      '/quitquitquit',
      'ends the process',
      does(() => deps.quit()),
    ),
    write('/reopen_logs', 'opens access logs by their names again', () => {
      const failed = deps.reopenLogs();
      return failed.length === 0
        ? { body: 'OK\n' }
        : { status: 500, body: failed.map((path) => `${path} can not be opened\n`).join('') };
    }),
    write(
      '/cpuprofiler',
      'where the processor spends its time, as .cpuprofile (seconds=, worker=N|main|all)',
      (query) => profilePage(query, 'cpu', deps.profilers),
    ),
    write(
      '/heapprofiler',
      'which functions hold how much memory, as .heapprofile (seconds=, worker=N|main|all)',
      (query) => profilePage(query, 'heap', deps.profilers),
    ),
  ];
}

async function profilePage(query: URLSearchParams, kind: ProfileKind, profilers: ThreadProfilers): Promise<AdminReply> {
  const thread = query.get('worker') ?? profilers.usual;
  const profiler = profilers.of(thread);
  if (profiler === undefined) return { status: 400, body: `there is no thread "${thread}": main, all, or a worker\n` };
  const text = query.get('seconds');
  const ms = text === null ? DEFAULT_PROFILE_MS : Number(text) * 1000;
  if (!(ms > 0 && ms <= MAX_PROFILE_MS))
    return { status: 400, body: `seconds must be more than 0 and at most ${MAX_PROFILE_MS / 1000}\n` };
  try {
    return { type: JSON_TYPE, body: `${await profiler.make(kind, ms)}\n` };
  } catch (error) {
    return { status: 409, body: `${errorMessage(error)}\n` };
  }
}
