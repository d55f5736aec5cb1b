import type { JsonObject } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { DownstreamTlsContextSchema } from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import type { ConfigObject } from '@weft/contracts/config';
import { describe, expect, it } from 'vitest';
import { messageJson, SCHEMAS } from '../testing/json.ts';
import { contextOf, objectsOf, snapshotOf } from '../testing/snapshots.ts';
import { diagnose } from '../snapshot/diagnose.ts';
import { buildMeshConfig } from '../config-store/mesh-config.ts';
import { DEFAULT_MESH_OPTIONS } from '../options.ts';
import { buildClusters } from './clusters.ts';
import { buildEndpoints, endpointNames } from './endpoints.ts';
import { meshServerTls } from './tls.ts';

/** As a store that refuses less would hand it over. */
const unchecked = (kind: string, spec: unknown, apiVersion = 'networking.istio.io/v1'): ConfigObject =>
  ({ apiVersion, kind, metadata: { name: 'x', namespace: 'default', labels: {}, annotations: {} }, spec }) as never;

function cluster(objects: readonly ConfigObject[], name: string): JsonObject {
  const found = buildClusters(contextOf(snapshotOf({ objects }), 'productpage-v1')).find(
    (resource) => resource.name === name,
  );
  if (!found) throw new Error(`no cluster ${name}`);
  return messageJson(SCHEMAS.cluster, found.message) as JsonObject;
}
const RATINGS = 'outbound|9080||ratings.default.svc.cluster.local';
const withTls = (tls: unknown): JsonObject =>
  cluster([unchecked('DestinationRule', { host: 'ratings', trafficPolicy: { tls } })], RATINGS);

describe('the TLS of a cluster', () => {
  it('is mutual to every endpoint that takes it, with exactly the service’s identities', () => {
    const text = JSON.stringify(cluster([], RATINGS)['transportSocketMatches']);
    expect(text).toContain('"exact":"spiffe://cluster.local/ns/default/sa/bookinfo-ratings"');
    expect(text).toContain('"sni":"outbound_.9080_._.ratings.default.svc.cluster.local"');
    expect(text).not.toContain('bookinfo-reviews');
  });
  it('trusts nobody while no identity is known', () => {
    const registry = {
      version: 1,
      meshId: '',
      trustDomain: 'cluster.local',
      workloads: contextOf(snapshotOf(), 'productpage-v1').snapshot.workloads,
    };
    const alone = [...registry.workloads.values()].filter((workload) => workload.name === 'productpage-v1');
    const snapshot = snapshotOf({
      registry: {
        ...registry,
        workloads: alone,
        services: [
          {
            name: 'ratings',
            namespace: 'default',
            hostname: 'ratings.default.svc.cluster.local',
            ports: [{ name: 'http', port: 9080 }],
          },
        ],
      },
    });
    const found = buildClusters(contextOf(snapshot, 'productpage-v1')).find((resource) => resource.name === RATINGS);
    expect(JSON.stringify(found && messageJson(SCHEMAS.cluster, found.message))).toContain('spiffe://invalid/nobody');
  });
  it('is none under DISABLE, and the mesh’s own under ISTIO_MUTUAL', () => {
    expect(withTls({ mode: 'DISABLE' })).not.toHaveProperty('transportSocketMatches');
    expect(withTls({ mode: 'DISABLE' })).not.toHaveProperty('transportSocket');
    expect(JSON.stringify(withTls({ mode: 'ISTIO_MUTUAL' })['transportSocket'])).toContain('bookinfo-ratings');
  });
  it('under SIMPLE is verified against the system’s roots and the request’s host, unless told otherwise', () => {
    const simple = JSON.stringify(withTls({ mode: 'SIMPLE' }));
    expect(simple).toContain('systemRootCerts');
    expect(simple).toContain('"autoSni":true,"autoSanValidation":true');
    const named = JSON.stringify(
      withTls({ mode: 'SIMPLE', sni: 'a.example', subjectAltNames: ['a.example'], caCertificates: '/ca.pem' }),
    );
    expect(named).toContain('"sni":"a.example"');
    expect(named).toContain('"filename":"/ca.pem"');
    expect(named).toContain('"sanType":"DNS"');
    expect(named).not.toContain('autoSni');
    expect(JSON.stringify(withTls({ mode: 'SIMPLE', insecureSkipVerify: true }))).not.toContain('validationContext');
  });
  it('is left out towards endpoints whose policy takes plaintext only', () => {
    const yaml = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: plain, namespace: default }
spec: { selector: { matchLabels: { app: ratings } }, mtls: { mode: DISABLE } }
`;
    const context = contextOf(snapshotOf({ objects: objectsOf(yaml) }), 'productpage-v1');
    const text = (host: string): string =>
      JSON.stringify(
        buildEndpoints(context, endpointNames(context))
          .filter(({ name }) => name.includes(host))
          .map(({ message }) => messageJson(SCHEMAS.endpoint, message)),
      );
    expect(text('ratings')).not.toContain('tlsMode');
    expect(text('reviews')).toContain('tlsMode');
  });
});

describe('HTTP/1.1 between sidecars', () => {
  const metadata = (h2UpgradePolicy?: string): JsonObject =>
    cluster(
      h2UpgradePolicy === undefined
        ? []
        : [
            unchecked('DestinationRule', {
              host: 'ratings',
              trafficPolicy: { connectionPool: { http: { h2UpgradePolicy } } },
            }),
          ],
      RATINGS,
    )['metadata'] as JsonObject;
  it('is on the wire where a rule says DO_NOT_UPGRADE, and carried else', () => {
    expect(metadata('DO_NOT_UPGRADE')).toMatchObject({ filterMetadata: { 'dev.weft': { carries_http1: false } } });
    for (const policy of [undefined, 'DEFAULT', 'UPGRADE'])
      expect(metadata(policy)).not.toHaveProperty(['filterMetadata', 'dev.weft']);
  });
});

describe('sessions between sidecars', () => {
  const context = (tlsResumption: boolean): string => {
    const { message } =
      buildClusters(contextOf(snapshotOf({ mesh: { tlsResumption } }), 'productpage-v1')).find(
        ({ name }) => name === RATINGS,
      ) ?? {};
    if (!message) throw new Error('no cluster');
    return JSON.stringify(messageJson(SCHEMAS.cluster, message));
  };
  it('may be resumed unless the mesh says no', () => {
    expect(context(true)).not.toContain('maxSessionKeys');
    expect(context(false)).toContain('"maxSessionKeys":0');
  });
  it('are given no tickets then', () => {
    const tickets = (tlsResumption: boolean): unknown => {
      const { configType } = meshServerTls('http', { ...DEFAULT_MESH_OPTIONS, tlsResumption });
      if (configType.case !== 'typedConfig') throw new Error('no context');
      return anyUnpack(configType.value, DownstreamTlsContextSchema)?.sessionTicketKeysType;
    };
    expect(tickets(true)).toEqual({ case: undefined });
    expect(tickets(false)).toEqual({ case: 'disableStatelessSessionResumption', value: true });
  });
});

describe('a subset', () => {
  const yaml = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }, { name: none, labels: { version: v9 } }] }
`;
  const context = contextOf(snapshotOf({ objects: objectsOf(yaml) }), 'productpage-v1');
  const names = buildClusters(context).map((resource) => resource.name);
  it('without endpoints has a cluster, one that nobody defined has none', () => {
    expect(names).toContain('outbound|9080|none|reviews.default.svc.cluster.local');
    expect(names).not.toContain('outbound|9080|v2|reviews.default.svc.cluster.local');
  });
  it.each([
    'outbound|9080|none|reviews.default.svc.cluster.local',
    'outbound|9080|v2|reviews.default.svc.cluster.local',
    'outbound|1||unknown',
    'x',
  ])('%s is answered with no endpoints', (name) => {
    expect(buildEndpoints(context, [name])[0]?.message.endpoints).toEqual([]);
  });
});

describe('diagnose', () => {
  it('names what reached the control plane and is not enforced', () => {
    const objects = [
      unchecked('Gateway', {
        servers: [
          {
            port: { number: 443, name: 'https', protocol: 'HTTPS' },
            hosts: ['*'],
            tls: { mode: 'SIMPLE', credentialName: 'c' },
          },
        ],
      }),
      unchecked('VirtualService', { hosts: ['a'], http: [{ delegate: { name: 'b' } }] }),
      unchecked(
        'AuthorizationPolicy',
        { action: 'CUSTOM', provider: { name: 'p' }, rules: [{}] },
        'security.istio.io/v1',
      ),
      unchecked(
        'AuthorizationPolicy',
        {
          rules: [
            {
              from: [{ source: { requestPrincipals: ['*'] } }],
              when: [{ key: 'request.auth.claims[a]', values: ['b'] }],
            },
          ],
        },
        'security.istio.io/v1',
      ),
      unchecked('DestinationRule', { host: 'a', trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'c' } } }),
    ];
    expect(
      diagnose(buildMeshConfig(objects)).map(({ object, path, severity }) => [object?.split('/')[0], path, severity]),
    ).toEqual([
      ['Gateway', 'spec.servers[0]', 'error'],
      ['VirtualService', 'spec.http[0].delegate', 'error'],
      ['AuthorizationPolicy', 'spec.action', 'error'],
      ['AuthorizationPolicy', 'spec.rules[0].from[0].source.requestPrincipals', 'error'],
      ['AuthorizationPolicy', 'spec.rules[0].when[0].key', 'error'],
      ['DestinationRule', 'spec.trafficPolicy.tls.credentialName', 'error'],
    ]);
  });
});
