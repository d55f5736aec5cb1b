import type { JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { messageJson, SCHEMAS } from '../testing/json.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { buildGatewayListeners } from './gateway-listeners.ts';
import { buildInboundListeners } from './inbound-listeners.ts';

const policy = (name: string, spec: object, namespace = 'default'): string =>
  JSON.stringify({ apiVersion: 'weft.dev/v1', kind: 'ListenerLimits', metadata: { name, namespace }, spec });
const gateway = JSON.stringify({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Gateway',
  metadata: { name: 'edge', namespace: 'weft-system' },
  spec: {
    selector: { istio: 'ingressgateway' },
    servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
  },
});

interface Chain {
  readonly filters: readonly { readonly name: string; readonly typedConfig: JsonObject }[];
}
function listenerOf(side: 'gateway' | 'inbound', ...yaml: readonly string[]) {
  const snapshot = snapshotOf({ yaml: [...yaml, gateway].join('\n---\n') });
  const [first] =
    side === 'gateway'
      ? buildGatewayListeners(contextOf(snapshot, 'weft-system/gateway'))
      : buildInboundListeners(contextOf(snapshot, 'reviews-v1'));
  const json = (first && messageJson(SCHEMAS.listener, first.message)) as unknown as {
    readonly metadata?: { readonly filterMetadata: JsonObject };
    readonly filterChains: readonly Chain[];
  };
  return {
    weft: json.metadata?.filterMetadata['dev.weft'],
    filters: json.filterChains.map(({ filters }) => filters.map(({ name }) => name.split('.').at(-1))),
    limit: json.filterChains[0]?.filters.find(({ name }) => name.endsWith('connection_limit'))?.typedConfig,
    hcm: json.filterChains[0]?.filters.at(-1)?.typedConfig ?? {},
  };
}

describe('limits of listeners', () => {
  it('are what Envoy has a field for, and the rest in metadata', () => {
    const spec = {
      port: 8080,
      maxConnections: 500,
      perAddress: { maxConnections: 50, connectionsPerSecond: 10, burst: 20, floods: 3, refuseFor: '30s', exempt: ['10.0.0.0/8'] },
      http: {
        maxHeadersKb: 16, maxHeaders: 50, headersTimeout: '5s', requestTimeout: '0s', idleTimeout: '1m', streamIdleTimeout: '30s',
        maxConnectionDuration: '1h', maxRequestsPerConnection: 1000, headersWithUnderscores: 'ALLOW',
      },
      http2: { maxConcurrentStreams: 20, streamWindowBytes: 70_000, connectionWindowBytes: 200_000 },
    }; // prettier-ignore
    const { weft, filters, limit, hcm } = listenerOf('gateway', policy('a', spec, 'weft-system'));
    expect(weft).toEqual({
      connections: {
        max: 500,
        perAddress: { max: 50, perSecond: 10, burst: 20, strikes: 3, refuseMs: 30_000, exempt: ['10.0.0.0/8'] },
      },
    });
    expect(filters).toEqual([['connection_limit', 'http_connection_manager']]);
    expect(limit).toMatchObject({ maxConnections: '500' });
    expect(hcm).toMatchObject({
      maxRequestHeadersKb: 16,
      requestHeadersTimeout: '5s',
      requestTimeout: '0s',
      streamIdleTimeout: '30s',
      commonHttpProtocolOptions: {
        maxHeadersCount: 50,
        idleTimeout: '60s',
        maxConnectionDuration: '3600s',
        maxRequestsPerConnection: 1000,
      },
      http2ProtocolOptions: {
        maxConcurrentStreams: 20,
        initialStreamWindowSize: 70_000,
        initialConnectionWindowSize: 200_000,
      },
    });
  });

  it('change nothing where there are none, or they are of others', () => {
    const plain = listenerOf('gateway');
    expect(plain).toMatchObject({ weft: undefined, filters: [['http_connection_manager']] });
    expect(plain.hcm).toMatchObject({
      commonHttpProtocolOptions: { headersWithUnderscoresAction: 'REJECT_REQUEST' },
      requestTimeout: '300s',
    });
    for (const [spec, namespace] of [
      [{ port: 9999, maxConnections: 1 }, 'weft-system'],
      [{ selector: { matchLabels: { app: 'other' } }, maxConnections: 1 }, 'weft-system'],
      [{ maxConnections: 1 }, 'default'],
    ] as const)
      expect(listenerOf('gateway', policy('a', spec, namespace))).toEqual(plain);
  });

  it('hold in front of every chain of a sidecar, which knows its callers and not addresses', () => {
    const { weft, filters } = listenerOf(
      'inbound',
      policy('a', {
        selector: { matchLabels: { app: 'reviews' } },
        maxConnections: 7,
        perAddress: { maxConnections: 1 },
      }),
    );
    expect(weft).toEqual({ connections: { max: 7 } });
    expect(filters.length).toBeGreaterThanOrEqual(1);
    for (const chain of filters) expect(chain[0]).toBe('connection_limit');
  });

  it('are taken field by field from the one that is nearest', () => {
    const { weft, hcm } = listenerOf(
      'inbound',
      policy('for-all', { maxConnections: 1, http: { maxHeaders: 11, maxHeadersKb: 11 } }, 'istio-system'),
      policy('own', { http: { maxHeaders: 22, headersWithUnderscores: 'REJECT' } }),
      policy('of-port', { port: 9080, http: { maxHeaders: 33 } }),
    );
    expect(weft).toEqual({ connections: { max: 1 } });
    expect(hcm).toMatchObject({
      maxRequestHeadersKb: 11,
      commonHttpProtocolOptions: { maxHeadersCount: 33, headersWithUnderscoresAction: 'REJECT_REQUEST' },
    });
  });
});
