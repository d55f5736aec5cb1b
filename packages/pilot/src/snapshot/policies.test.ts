import { describe, expect, it } from 'vitest';
import type { Service } from '../model/service.ts';
import { snapshotOf } from '../testing/snapshots.ts';
import { effectivePolicy, findDestinationRule } from './destination-rules.ts';
import { peerMode } from './peer-authentication.ts';

const rule = (name: string, namespace: string, spec: string): string => `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
const policy = (name: string, namespace: string, spec: string): string => `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
const reviews = (snapshot: ReturnType<typeof snapshotOf>): Service => {
  const found = snapshot.services.find((service) => service.name === 'reviews');
  if (!found) throw new Error('reviews is not in the registry');
  return found;
};
const client = { namespace: 'caller', labels: {} };

describe('destination rules', () => {
  it('are taken from the caller’s namespace, then the service’s, then the root', () => {
    const root = rule(
      'root',
      'istio-system',
      '{ host: "*.local", trafficPolicy: { loadBalancer: { simple: RANDOM } } }',
    );
    const own = rule('own', 'default', '{ host: reviews, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }');
    const caller = rule(
      'caller',
      'caller',
      '{ host: reviews.default.svc.cluster.local, exportTo: ["."], trafficPolicy: { loadBalancer: { simple: LEAST_REQUEST } } }',
    );
    const chosen = (yaml: string): string | undefined => {
      const snapshot = snapshotOf({ yaml });
      return findDestinationRule(snapshot, client, reviews(snapshot))?.refs[0]?.name;
    };
    expect(chosen(root)).toBe('root');
    expect(chosen(root + own)).toBe('own');
    expect(chosen(root + own + caller)).toBe('caller');
    // Not exported to the caller: the next namespace is asked.
    expect(chosen(root + rule('own', 'default', '{ host: reviews, exportTo: ["."] }'))).toBe('root');
  });
  it('of the most specific host win, and those of one host are joined, the first of each name', () => {
    const snapshot = snapshotOf({
      yaml:
        rule('wild', 'default', '{ host: "*.default.svc.cluster.local", subsets: [{ name: w }] }') +
        rule('a', 'default', '{ host: reviews, subsets: [{ name: v1, labels: { version: v1 } }] }') +
        rule(
          'b',
          'default',
          '{ host: reviews.default.svc.cluster.local, subsets: [{ name: v1, labels: { version: other } }, { name: v2 }], trafficPolicy: { loadBalancer: { simple: RANDOM } } }',
        ),
    });
    const found = findDestinationRule(snapshot, client, reviews(snapshot));
    expect(found?.subsets.map((subset) => [subset.name, subset.labels?.['version']])).toEqual([
      ['v1', 'v1'],
      ['v2', undefined],
    ]);
    expect(found?.trafficPolicy?.loadBalancer?.simple).toBe('RANDOM');
  });
  it('lose their blocks where an entry for the port omits them, and subsets override block by block', () => {
    const snapshot = snapshotOf({
      yaml: rule(
        'r',
        'default',
        `
  host: reviews
  trafficPolicy:
    loadBalancer: { simple: RANDOM }
    connectionPool: { tcp: { maxConnections: 1 } }
    portLevelSettings: [{ port: { number: 80 }, connectionPool: { tcp: { maxConnections: 2 } } }]
  subsets:
    - { name: v1, trafficPolicy: { connectionPool: { tcp: { maxConnections: 3 } } } }
    - { name: v2, trafficPolicy: { portLevelSettings: [{ port: { number: 9080 }, loadBalancer: { simple: ROUND_ROBIN } }] } }`,
      ),
    });
    const found = findDestinationRule(snapshot, client, reviews(snapshot));
    const [v1, v2] = found?.subsets ?? [];
    expect(effectivePolicy(found, 9080)).toEqual({
      loadBalancer: { simple: 'RANDOM' },
      connectionPool: { tcp: { maxConnections: 1 } },
    });
    expect(effectivePolicy(found, 80)).toEqual({ connectionPool: { tcp: { maxConnections: 2 } } });
    expect(effectivePolicy(found, 9080, v1)).toEqual({
      loadBalancer: { simple: 'RANDOM' },
      connectionPool: { tcp: { maxConnections: 3 } },
    });
    expect(effectivePolicy(found, 9080, v2)).toEqual({ loadBalancer: { simple: 'ROUND_ROBIN' } });
  });
});

describe('peer authentication', () => {
  const workload = { namespace: 'default', labels: { app: 'reviews' } };
  const mode = (yaml: string, port = 9080): string => peerMode(snapshotOf({ yaml }), workload, port).mode;
  const mesh = policy('default', 'istio-system', '{ mtls: { mode: STRICT } }');
  const namespace = policy('default', 'default', '{ mtls: { mode: DISABLE } }');
  const selected = policy(
    'one',
    'default',
    '{ selector: { matchLabels: { app: reviews } }, mtls: { mode: PERMISSIVE }, portLevelMtls: { "9080": { mode: STRICT }, "81": { mode: UNSET } } }',
  );
  it('is permissive without a policy, and the narrowest scope that says something wins', () => {
    expect(mode('')).toBe('PERMISSIVE');
    expect(mode(mesh)).toBe('STRICT');
    expect(mode(mesh + namespace)).toBe('DISABLE');
    expect(mode(mesh + namespace + selected, 80)).toBe('PERMISSIVE');
    expect(mode(mesh + namespace + selected, 81)).toBe('PERMISSIVE');
    expect(mode(mesh + namespace + selected, 9080)).toBe('STRICT');
    expect(mode(mesh + policy('default', 'default', '{ mtls: { mode: UNSET } }'))).toBe('STRICT');
  });
  it('of the root namespace with a selector has no effect', () => {
    expect(
      mode(policy('sel', 'istio-system', '{ selector: { matchLabels: { app: reviews } }, mtls: { mode: STRICT } }')),
    ).toBe('PERMISSIVE');
  });
});
