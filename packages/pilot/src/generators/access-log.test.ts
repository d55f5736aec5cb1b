import { describe, expect, it } from 'vitest';
import { messageJson, SCHEMAS } from '../testing/json.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { buildListeners } from './listeners.ts';

const telemetry = (name: string, spec: string, namespace = 'default'): string => `---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
const filtered = (expression: string, more = ''): string =>
  `{ ${more} accessLogging: [{ filter: { expression: '${expression}' } }] }`;

/** The filters of all logs of this proxy, in and out; `all` for none. */
function logsOf(yaml: string, proxy = 'reviews-v1', accessLogFile = '/dev/stdout') {
  const snapshot = snapshotOf({ yaml, mesh: { accessLogFile } });
  const found = { in: new Set<string>(), out: new Set<string>() };
  const visit = (value: unknown, side: Set<string>): void => {
    if (typeof value !== 'object' || value === null) return;
    if (String((value as Record<string, unknown>)['@type']).endsWith('HttpConnectionManager')) {
      const logs = ((value as { accessLog?: unknown[] }).accessLog ?? []) as {
        filter?: { extensionFilter: { typedConfig: { expression: string } } };
      }[];
      side.add(logs.length === 0 ? 'off' : (logs[0]?.filter?.extensionFilter.typedConfig.expression ?? 'all'));
    }
    for (const inner of Object.values(value)) visit(inner, side);
  };
  for (const { message } of buildListeners(contextOf(snapshot, proxy))) {
    const json = messageJson(SCHEMAS.listener, message as never) as { trafficDirection?: string };
    visit(json, json.trafficDirection === 'INBOUND' ? found.in : found.out);
  }
  return {
    in: [...found.in].join(),
    out: [...found.out].join(),
    problems: snapshot.diagnostics.map(({ message }) => message),
  };
}

describe('access logs by Telemetry', () => {
  it.each<[what: string, yaml: string, inbound: string, outbound: string]>([
    ['nothing', '', 'all', 'all'],
    ['off for the namespace', telemetry('a', '{ accessLogging: [{ disabled: true }] }'), 'off', 'off'],
    [
      'a filter for the mesh',
      telemetry('a', filtered('response.code >= 400'), 'istio-system'),
      'response.code >= 400',
      'response.code >= 400',
    ],
    [
      'the narrowest scope counts',
      telemetry('a', filtered('response.code >= 400'), 'istio-system') +
        telemetry('b', filtered('response.code >= 500', 'selector: { matchLabels: { app: reviews } },')) +
        telemetry('c', filtered('true', 'selector: { matchLabels: { app: other } },')),
      'response.code >= 500',
      'response.code >= 500',
    ],
    ['one side only', telemetry('a', '{ accessLogging: [{ match: { mode: CLIENT }, disabled: true }] }'), 'all', 'off'],
    ['of another namespace', telemetry('a', '{ accessLogging: [{ disabled: true }] }', 'other'), 'all', 'all'],
  ])('%s', (_, yaml, inbound, outbound) => {
    expect(logsOf(yaml)).toMatchObject({ in: inbound, out: outbound });
  });

  it('turns on what the mesh has off', () => {
    const on = telemetry('a', '{ accessLogging: [{ providers: [{ name: envoy }] }] }');
    expect([logsOf('', 'reviews-v1', '').in, logsOf(on, 'reviews-v1', '').in]).toEqual(['off', 'all']);
  });

  it('a filter that can not be read filters nothing, and is named', () => {
    const made = logsOf(telemetry('a', filtered('response.code >=')));
    expect(made).toMatchObject({ in: 'all', out: 'all' });
    expect(made.problems.join()).toContain('ends too soon');
  });
});
