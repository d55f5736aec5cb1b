import { describe, expect, it } from 'vitest';
import { affectedBy } from '../push/affected.ts';
import { objectsOf, snapshotOf } from '../testing/snapshots.ts';
import { proxyProblems, proxySettingsOf } from './proxy-settings.ts';

const proxies = (name: string, spec: string, namespace = 'default', created = '2020-01-01T00:00:00Z'): string => `---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: '${created}' }
spec: ${spec}
`;
const MESH = `---
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: mesh }
spec: { defaultConfig: { concurrency: 3 } }
`;

describe('settings of proxies', () => {
  it('are told to whoever starts them, the oldest first', () => {
    expect(proxySettingsOf([], 'istio-system')).toEqual({ rootNamespace: 'istio-system', proxies: [] });
    const yaml = [
      MESH,
      proxies('b', '{ concurrency: 2, selector: { matchLabels: { app: a } } }', 'default', '2021-01-01T00:00:00Z'),
      proxies('a', '{ concurrency: 0 }', 'other'),
      proxies('image', '{ image: { imageType: debug } }'),
      proxies('empty', '{ concurrency: 4, selector: {} }', 'other', '2022-01-01T00:00:00Z'),
    ].join('');
    expect(proxySettingsOf(objectsOf(yaml), 'istio-system')).toEqual({
      rootNamespace: 'istio-system',
      concurrency: 3,
      proxies: [
        { namespace: 'other', concurrency: 0 },
        { namespace: 'default', concurrency: 2, matchLabels: { app: 'a' } },
        { namespace: 'other', concurrency: 4, matchLabels: {} },
      ],
    });
  });

  it('that can not be followed are named', () => {
    const yaml = [
      MESH,
      proxies('many', '{ concurrency: 5, selector: { matchLabels: { app: a } } }'),
      proxies('first', '{ concurrency: 2 }'),
      proxies('second', '{ concurrency: 2 }', 'default', '2021-01-01T00:00:00Z'),
      proxies('elsewhere', '{ concurrency: 2 }', 'other'),
    ].join('');
    const said = (most: number): string[] =>
      proxyProblems(objectsOf(yaml), most).map(({ object, path, severity }) => `${severity} ${object} ${path}`);
    expect(said(4)).toEqual([
      'warning ProxyConfig/default/many spec.concurrency',
      'warning ProxyConfig/default/second spec.concurrency',
    ]);
    expect(said(2)[0]).toBe('warning MeshConfig//mesh spec.defaultConfig.concurrency');
    expect(snapshotOf({ yaml, mesh: { mostProxyThreads: 4 } }).diagnostics).toHaveLength(2);
  });

  it('are nothing that a proxy hears of by discovery', () => {
    const [before, after] = [snapshotOf(), snapshotOf({ yaml: proxies('a', '{ concurrency: 2 }') })];
    expect(affectedBy(before, after).kinds.size).toBe(0);
  });
});
