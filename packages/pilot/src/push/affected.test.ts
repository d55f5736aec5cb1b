import type { ConfigObject } from '@weft/contracts/config';
import { describe, expect, it } from 'vitest';
import { buildProxyResources, type ProxyResources } from '../ads/proxy-resources.ts';
import { createEncoder } from '../generators/encoder.ts';
import { createMemo } from '../generators/memo.ts';
import { PUSH_ORDER } from '../generators/resource.ts';
import { contextOf, objectsOf, snapshotOf } from '../testing/snapshots.ts';
import { affectedBy, type Affected } from './affected.ts';
import { classOf } from './change-class.ts';

const entry = (endpoints: readonly string[], more = 'resolution: STATIC', port = 80): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: moving, namespace: default }
spec:
  hosts: [moving.example.com]
  ports: [{ number: ${port}, name: http, protocol: HTTP }]
  ${more}
  ${endpoints.length === 0 ? '' : `endpoints: [${endpoints.map((address) => `{ address: ${address} }`).join(', ')}]`}
---
`;
const SELECTS = 'resolution: STATIC\n  location: MESH_INTERNAL\n  workloadSelector: { labels: { app: vm } }';
const machine = (name: string, app = 'vm'): string => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: default }
spec: { address: 10.0.0.${name.length}, labels: { app: ${app} }, serviceAccount: vm }
---
`;

const versions = (resources: ProxyResources): unknown =>
  PUSH_ORDER.map((kind) => [kind, [...resources.of(kind)].map(([name, { version }]) => [name, version])]);

/** @returns what is affected, after a check that what is made anew for it is all there is to make anew. */
function between(before: string, after: string): Affected {
  const encoder = createEncoder();
  const [former, next] = [before, after].map((yaml) => snapshotOf({ yaml }));
  if (!former || !next) throw new Error('two snapshots');
  const affected = affectedBy(former, next);
  const build = (snapshot: typeof next, earlier?: ProxyResources): ProxyResources =>
    buildProxyResources({
      snapshot,
      proxy: contextOf(snapshot, 'productpage-v1').proxy,
      memo: createMemo(),
      encoder,
      ...(earlier ? { former: { resources: earlier, affected } } : {}),
    });
  expect(versions(build(next, build(former)))).toEqual(versions(build(next)));
  return affected;
}

describe('affectedBy', () => {
  it('takes endpoints that move for what they are', () => {
    const affected = between(entry(['10.0.0.1']), entry(['10.0.0.2', '10.0.0.3']));
    expect([...affected.kinds]).toEqual(['endpoint']);
    expect(affected.endpointHosts).toEqual(new Set(['moving.example.com']));
  });
  it('makes the cluster anew that has its endpoints inside', () => {
    const dns = (address: string): string => entry([address], 'resolution: DNS');
    expect(between(dns('10.0.0.1'), dns('10.0.0.2')).kinds).toContain('cluster');
    expect(between(dns('a.example.com'), dns('b.example.com')).kinds).toContain('cluster');
  });
  it('takes a WorkloadEntry for an endpoint of those who select it', () => {
    const [none, one, two] = ['', machine('a'), machine('a') + machine('bb')].map((vms) => entry([], SELECTS) + vms);
    expect([...between(one ?? '', two ?? '').kinds]).toEqual(['endpoint']);
    // Who may answer changes with the first.
    expect(between(none ?? '', one ?? '').kinds).toContain('cluster');
    expect(between(one ?? '', (one ?? '') + machine('ccc', 'other')).kinds).toEqual(new Set());
  });
  it('makes everything anew where the service itself changes', () => {
    const { kinds } = between(entry(['10.0.0.1']), entry(['10.0.0.1'], 'resolution: STATIC', 81));
    expect(PUSH_ORDER.every((kind) => kinds.has(kind))).toBe(true);
  });
});

describe('classOf', () => {
  const object = (yaml: string): ConfigObject => {
    const [found] = objectsOf(yaml);
    if (!found) throw new Error('no object');
    return found;
  };
  const updated = (former: string, now: string) =>
    ({ type: 'updated', former: object(former), object: object(now) }) as const;
  const moved = updated(entry(['10.0.0.1']), entry(['10.0.0.2']));

  it('is that of endpoints while nothing but addresses moves', () => {
    expect(classOf([moved, { type: 'deleted', object: object(machine('a')) }])).toBe('endpoints');
  });
  it('is that of configuration for all else', () => {
    expect(classOf([])).toBe('config');
    expect(classOf([{ type: 'added', object: object(entry(['10.0.0.1'])) }])).toBe('config');
    expect(classOf([moved, updated(entry(['10.0.0.1']), entry(['10.0.0.1'], 'resolution: DNS'))])).toBe('config');
  });
});
