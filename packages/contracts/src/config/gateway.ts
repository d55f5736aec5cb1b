import type { Static } from 'typebox';
import { serverTls } from './common.ts';
import { list, map, message, opt, text, uint32, type FieldMeta } from './meta.ts';

const TERMINATION: FieldMeta = {
  effect: 'refused',
  reason: 'is about TLS that the gateway does not serve yet; without it the port would be open in plain text',
  mend: 'Use a server with protocol HTTP, and of tls only httpsRedirect.',
};

export const GatewaySpec = message({
  selector: opt(map(text())),
  servers: opt(
    list(
      message({
        port: message({
          number: uint32({ format: 'port-number', max: 65_535 }),
          protocol: text({
            minLength: 1,
            values: {
              GRPC: { effect: 'not-yet', reason: 'is served as HTTP/1.1 only for now' },
              'GRPC-WEB': { effect: 'not-yet', reason: 'is served as HTTP/1.1 only for now' },
              HTTP2: { effect: 'not-yet', reason: 'is served as HTTP/1.1 only for now' },
              TCP: { effect: 'not-yet', reason: 'is not served by the gateway yet' },
              MONGO: { effect: 'not-yet', reason: 'is not served by the gateway yet' },
            },
          }),
          name: text({ minLength: 1 }),
          targetPort: opt(uint32({ effect: 'ignored', deprecated: 'the service’s own targetPort' })),
        }),
        bind: opt(text()),
        hosts: list(text({ format: 'gateway-host' }), { minItems: 1 }),
        tls: opt(serverTls({}, TERMINATION)),
        defaultEndpoint: opt(text({ effect: 'ignored' })),
        name: opt(text()),
      }),
    ),
  ),
});

/** Ports and hosts that a gateway workload opens to callers outside of the mesh. */
export type GatewaySpec = Static<typeof GatewaySpec>;
export type GatewayServer = NonNullable<GatewaySpec['servers']>[number];
