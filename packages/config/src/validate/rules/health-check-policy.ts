import { durationMs } from '../duration.ts';
import type { Rule } from './rule.ts';
import { isHeaderName } from './common.ts';

const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 3_000;

export const healthCheckPolicy: Rule<'HealthCheckPolicy'> = ({ http, tcp, interval, timeout }, { fail, warn }) => {
  const intervalMs = interval === undefined ? DEFAULT_INTERVAL_MS : durationMs(interval);
  const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(timeout);
  if (intervalMs !== undefined && timeoutMs !== undefined && timeoutMs > 10 * intervalMs)
    warn('W0024', ['spec', 'timeout'], 'is long beside the interval: an instance that hangs is asked seldom');
  if (http !== undefined && !http.path.startsWith('/'))
    fail('W0013', ['spec', 'http', 'path'], `"${http.path}" does not begin with /`);
  for (const name of Object.keys(http?.headers ?? {}))
    if (!isHeaderName(name)) fail('W0013', ['spec', 'http', 'headers', name], `"${name}" is not the name of a header`);
  if (tcp?.send !== undefined && (tcp.receive ?? []).length === 0)
    warn('W0024', ['spec', 'tcp', 'send'], 'is not sent where nothing is received', 'Give receive.');
};
