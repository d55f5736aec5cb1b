/** Rules that several kinds share. */
import type { ConnectionPoolSettings, HeaderOperations } from '@weft/contracts/config';
import type { Path } from '../../source/locate.ts';
import { isDnsName } from '../hosts.ts';
import { shown } from '../formats.ts';
import type { RuleContext } from './rule.ts';

export function exportTo(
  values: readonly string[] | undefined,
  path: Path,
  { fail, namespace }: RuleContext,
  mayHide = false,
): void {
  if (values === undefined) return;
  const seen = new Set<string>();
  for (const [index, value] of values.entries()) {
    const meaning = value === '.' ? namespace : value;
    if (seen.has(meaning)) fail('W0022', [...path, index], `"${value}" is listed twice`, 'Keep one.');
    seen.add(meaning);
    if (value === '~' && !mayHide) fail('W0022', [...path, index], '"~" (nobody) is only for services', 'Use ".".');
  }
  for (const alone of ['*', '~']) {
    if (values.includes(alone) && values.length > 1) {
      fail('W0022', path, `"${alone}" stands alone`, 'Remove the others.');
    }
  }
}

export function selector(
  labels: Readonly<Record<string, string>> | undefined,
  path: Path,
  { fail, warn }: RuleContext,
): void {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0)
    warn(
      'W0025',
      path,
      'the selector is empty, so it selects every workload of its scope',
      'Remove it, or name labels.',
    );
  for (const [key, value] of entries) {
    if (key === '') fail('W0020', path, 'a label has an empty name');
    if (`${key}${value}`.includes('*')) fail('W0020', [...path, key], 'wildcards are not allowed in selectors');
  }
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
export const isHeaderName = (name: string): boolean => TOKEN.test(name);

const isHost = (name: string): boolean => ['host', ':authority'].includes(name.toLowerCase());

export function headerOperations(
  operations: HeaderOperations | undefined,
  path: Path,
  on: 'request' | 'response',
  { fail }: RuleContext,
): void {
  const check = (name: string, where: Path): void => {
    if (isHost(name) && on === 'request') return;
    if (isHost(name)) fail('W0021', where, 'Host can not be changed on responses');
    else if (name.startsWith(':')) fail('W0021', where, `the pseudo header ${shown(name)} can not be changed`);
    else if (!isHeaderName(name)) fail('W0021', where, `"${shown(name)}" is not a header name`);
  };
  for (const verb of ['set', 'add'] as const) {
    for (const [name, value] of Object.entries(operations?.[verb] ?? {})) {
      const where = [...path, verb, name];
      check(name, where);
      const fault = headerValueFault(value);
      if (fault !== undefined) fail('W0021', where, fault, 'Write a literal percent as %%.');
    }
  }
  for (const [index, name] of (operations?.remove ?? []).entries()) {
    const where = [...path, 'remove', index];
    if (isHost(name)) fail('W0021', where, 'Host can not be removed');
    else check(name, where);
  }
}

/** Values may hold `%VARIABLE%`; each percent needs its partner. */
function headerValueFault(value: string): string | undefined {
  if (/[\r\n\0]/.test(value)) return 'the value holds a line break or a zero byte';
  const rest = value.replaceAll('%%', '').replaceAll(/%[A-Z_]+(?:\([^()]*\))?(?::\d+)?%/g, '');
  return rest.includes('%') ? 'a percent sign has no partner' : undefined;
}

export function connectionPool(pool: ConnectionPoolSettings | undefined, path: Path, { fail }: RuleContext): void {
  if (pool === undefined) return;
  const { tcp, http } = pool;
  if (tcp === undefined && http === undefined)
    fail('W0012', path, 'the connection pool has no settings', 'Give tcp or http, or remove it.');
  if (tcp !== undefined && Object.keys(tcp).length === 0)
    fail('W0012', [...path, 'tcp'], 'has no settings', 'Remove it.');
  if (http !== undefined && Object.keys(http).length === 0)
    fail('W0012', [...path, 'http'], 'has no settings', 'Remove it.');
  if (http?.useClientProtocol === true && http.h2UpgradePolicy === 'UPGRADE') {
    fail(
      'W0024',
      [...path, 'http', 'useClientProtocol'],
      'can not be combined with h2UpgradePolicy UPGRADE',
      'Keep one of them.',
    );
  }
}

export function percentage(value: number | undefined, path: Path, { fail }: RuleContext): void {
  if (value === undefined || value === 0) return;
  if (value < 0.0001) fail('W0014', path, `${value} is finer than 0.0001 percent`);
}

/** `unix:///path`, for endpoints of the same machine. */
export const isUnixAddress = (text: string): boolean => /^unix:\/\/(\/[^\0]+|@[^\0]+)$/.test(text);

export const PROTOCOLS = [
  'HTTP',
  'HTTPS',
  'GRPC',
  'GRPC-WEB',
  'HTTP2',
  'HTTP_PROXY',
  'MONGO',
  'REDIS',
  'MYSQL',
  'TCP',
  'TLS',
  'UDP',
];

export function protocol(
  text: string | undefined,
  allowed: readonly string[],
  path: Path,
  { fail }: RuleContext,
): void {
  if (text === undefined || text === '' || allowed.includes(text.toUpperCase())) return;
  fail('W0023', path, `"${shown(text)}" is not a protocol`, `Use one of ${allowed.join(', ')}.`);
}

/** Reports values that occur more than once, at each later place. */
export function unique<Item, Key>(
  items: readonly Item[],
  key: (item: Item) => Key | undefined,
  again: (index: number, key: Key) => void,
): void {
  const seen = new Set<Key>();
  for (const [index, item] of items.entries()) {
    const value = key(item);
    if (value === undefined) continue;
    if (seen.has(value)) again(index, value);
    seen.add(value);
  }
}

export const isFqdn = (host: string): boolean => isDnsName(host) && host.includes('.');
