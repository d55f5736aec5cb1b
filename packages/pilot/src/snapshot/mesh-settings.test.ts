import { describe, expect, it } from 'vitest';
import { buildClusters } from '../generators/clusters.ts';
import { buildListeners } from '../generators/listeners.ts';
import { DEFAULT_MESH_OPTIONS } from '../options.ts';
import { affectedBy } from '../push/affected.ts';
import { messageJson, SCHEMAS } from '../testing/json.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';

const settings = (spec: string, name = 'mesh'): string => `---
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: ${name} }
spec: ${spec}
`;
const GATEWAY = `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: door }
spec: { selector: { istio: ingressgateway }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }] }
`;
const listenersOf = (yaml: string, proxy: string): string => {
  const built = buildListeners(contextOf(snapshotOf({ yaml: yaml + GATEWAY }), proxy));
  expect(built.length).toBeGreaterThan(0);
  return JSON.stringify(built.map(({ message }) => messageJson(SCHEMAS.listener, message as never)));
};

describe('settings of the mesh', () => {
  it('say where and how access logs are written', () => {
    expect(listenersOf('', 'reviews-v1')).not.toContain('FileAccessLog');
    const text = listenersOf(
      settings(`{ accessLogFile: /dev/stdout, accessLogFormat: '%CONNECTION_ID%' }`),
      'reviews-v1',
    );
    expect(text).toContain('"path":"/dev/stdout"');
    expect(text).toContain(String.raw`"inlineString":"%CONNECTION_ID%\n"`);
    const json = listenersOf(
      settings(`{ accessLogFile: /dev/stdout, accessLogEncoding: JSON, accessLogFormat: '{"id": "%STREAM_ID%"}' }`),
      'reviews-v1',
    );
    expect(json).toContain('"jsonFormat":{"id":"%STREAM_ID%"}');
  });

  it('say what stands in front of gateways, and of no other proxy', () => {
    const topology = settings('{ defaultConfig: { gatewayTopology: { numTrustedProxies: 2, proxyProtocol: {}, forwardClientCertDetails: SANITIZE } } }'); // prettier-ignore
    const gateway = listenersOf(topology, 'weft-system/gateway');
    expect(gateway).toContain('"name":"envoy.filters.listener.proxy_protocol"');
    expect(gateway).toContain('"xffNumTrustedHops":2');
    expect(gateway).not.toContain('SANITIZE_SET');
    expect(listenersOf(topology, 'reviews-v1')).not.toMatch(/proxy_protocol|xffNumTrustedHops/);
    expect(listenersOf('', 'weft-system/gateway')).not.toMatch(/proxy_protocol|xffNumTrustedHops/);
  });

  it('say how long connecting may take, and what is let out', () => {
    const snapshot = snapshotOf({
      yaml: settings('{ connectTimeout: 3s, outboundTrafficPolicy: { mode: REGISTRY_ONLY } }'),
    });
    expect(snapshot.mesh.outboundTrafficPolicy.mode).toBe('REGISTRY_ONLY');
    const clusters = buildClusters(contextOf(snapshot, 'reviews-v1')).map(({ message }) =>
      messageJson(SCHEMAS.cluster, message as never),
    );
    expect(JSON.stringify(clusters)).toContain('"connectTimeout":"3s"');
  });

  it('leave what they do not say as the mesh was started, and a format with its encoding', () => {
    const started = {
      accessLogFile: '/log',
      accessLogEncoding: 'JSON',
      accessLogFormat: '{"a":"%PROTOCOL%"}',
    } as const;
    const over = (spec: string) => snapshotOf({ yaml: settings(spec), mesh: started }).mesh;
    expect(over('{ connectTimeout: 3s }')).toMatchObject(started);
    expect(over('{ accessLogEncoding: TEXT }')).toMatchObject({ accessLogEncoding: 'TEXT', accessLogFormat: '' });
    expect(over('{ accessLogFormat: x }')).toMatchObject({ accessLogEncoding: 'TEXT', accessLogFormat: 'x' });
    expect(over(`{ accessLogFile: '' }`).accessLogFile).toBe('');
    expect(snapshotOf({}).mesh).toEqual(DEFAULT_MESH_OPTIONS);
  });

  it('are of the oldest object; others are named', () => {
    const { mesh, diagnostics } = snapshotOf({
      yaml: settings('{ connectTimeout: 3s }', 'a') + settings('{ connectTimeout: 4s }', 'b'),
    });
    expect(mesh.connectTimeoutMs).toBe(3000);
    expect(diagnostics).toMatchObject([
      { object: 'MeshConfig//b', message: expect.stringContaining('no effect') as string },
    ]);
  });

  it('reach every proxy when they change', () => {
    const { kinds, endpointHosts } = affectedBy(
      snapshotOf({}),
      snapshotOf({ yaml: settings('{ connectTimeout: 3s }') }),
    );
    expect([...kinds].toSorted()).toEqual(['cluster', 'endpoint', 'listener', 'route']);
    expect(endpointHosts).toBe('all');
  });
});
