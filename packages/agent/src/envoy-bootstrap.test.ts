import { createRegistry, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { controlPlaneId, nodeId } from '@weft/contracts';
import {
  file_envoy_config_bootstrap_v3_bootstrap as bootstrapFile,
  BootstrapSchema,
} from '@weft/contracts/full/envoy/config/bootstrap/v3/bootstrap';
import { file_envoy_extensions_transport_sockets_tls_v3_tls as tlsFile } from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options as httpFile } from '@weft/contracts/full/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { describe, expect, it } from 'vitest';
import { envoyBootstrap, type EnvoyBootstrapOptions } from './envoy-bootstrap.ts';

const options: EnvoyBootstrapOptions = {
  nodeId: nodeId({ type: 'sidecar', ip: '127.66.3.1', name: 'reviews-v1', namespace: 'default' }),
  cluster: 'reviews.default',
  metadata: { NAMESPACE: 'default', SERVICE_ACCOUNT: 'bookinfo-reviews', LABELS: { app: 'reviews' } },
  xds: { host: '127.0.0.1', port: 15012 },
  controlPlaneId: controlPlaneId(),
  sdsSocket: '/run/weft/sds.sock',
  admin: { host: '127.66.3.1', port: 15000 },
};

describe('envoyBootstrap', () => {
  it('is what Envoy’s own message takes, to the last field', () => {
    const registry = createRegistry(bootstrapFile, tlsFile, httpFile);
    const bootstrap = fromJson(BootstrapSchema, envoyBootstrap(options) as JsonObject, { registry });
    expect(bootstrap.node).toMatchObject({ id: options.nodeId, metadata: { SERVICE_ACCOUNT: 'bookinfo-reviews' } });
    expect(bootstrap.staticResources?.clusters.map(({ name }) => name)).toEqual(['xds-grpc', 'sds-grpc']);
  });

  it('asks the control plane by delta ADS, without a limit for the first answer', () => {
    expect(envoyBootstrap(options)['dynamic_resources']).toMatchObject({
      ads_config: { api_type: 'DELTA_GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }] },
      cds_config: { ads: {}, initial_fetch_timeout: '0s' },
      lds_config: { ads: {}, initial_fetch_timeout: '0s' },
    });
  });

  it('holds no secret: certificate and roots come from the agent, the control plane is known by its SPIFFE id', () => {
    const text = JSON.stringify(envoyBootstrap(options));
    expect(text).not.toMatch(/inline|BEGIN|private_key/);
    expect(text).toContain(`"san_type":"URI","matcher":{"exact":"${controlPlaneId()}"}`);
    expect(text).toContain('"pipe":{"path":"/run/weft/sds.sock"}');
  });

  it.each(['0.0.0.0', '10.0.0.1', '::'])('refuses admin pages on %s, where others reach them', (host) => {
    expect(() => envoyBootstrap({ ...options, admin: { host, port: 15000 } })).toThrow(/loopback/);
  });

  it('refuses a name where Envoy wants an address', () => {
    expect(() => envoyBootstrap({ ...options, xds: { host: 'localhost', port: 1 } })).toThrow(
      '"localhost" is not an IP address',
    );
  });
});
