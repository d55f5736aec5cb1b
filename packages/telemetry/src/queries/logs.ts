import type { LogQuery, LogResult, StoredLogEntry } from '@weft/contracts';
import type { LogStore } from '../store/log-store.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 5_000;

export function findLogs(store: LogStore, query: LogQuery): LogResult {
  const limit = Math.min(MAX_LIMIT, Math.max(1, query.limit ?? DEFAULT_LIMIT));
  const matches = matcher(query);
  const entries: StoredLogEntry[] = [];
  for (const entry of query.after === undefined ? store.newestFirst() : store.after(query.after)) {
    if (!matches(entry)) continue;
    if (entries.length === limit) return { entries, more: true };
    entries.push(entry);
  }
  return { entries, more: false };
}

function matcher(query: LogQuery): (entry: StoredLogEntry) => boolean {
  const { sinceMs = Number.NEGATIVE_INFINITY, untilMs = Number.POSITIVE_INFINITY } = query;
  const { minStatus = 0, maxStatus = Number.POSITIVE_INFINITY, flag, pathPrefix = '' } = query;
  const text = query.text?.toLowerCase();
  const equal = (['namespace', 'workload', 'direction', 'reason', 'authority', 'traceId', 'requestId'] as const).filter(
    (name) => query[name] !== undefined,
  );
  return (entry) =>
    entry.timeMs >= sinceMs &&
    entry.timeMs <= untilMs &&
    entry.status >= minStatus &&
    entry.status <= maxStatus &&
    equal.every((name) => entry[name] === query[name]) &&
    (flag === undefined || entry.flags.split(',').includes(flag)) &&
    entry.path.startsWith(pathPrefix) &&
    (text === undefined || entry.path.toLowerCase().includes(text));
}
