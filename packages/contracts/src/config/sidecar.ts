import type { Static } from 'typebox';
import { connectionPool, destination, labelsSelector, listenerPort, serverTls } from './common.ts';
import { choice, list, message, opt, text } from './meta.ts';

const captureMode = () => opt(choice(['DEFAULT', 'IPTABLES', 'NONE'], { default: 'DEFAULT' }));
const INBOUND_POOL = { effect: 'not-yet', reason: 'does not limit inbound connections yet' } as const;

export const SidecarSpec = message({
  workloadSelector: opt(labelsSelector()),
  ingress: opt(
    list(
      message({
        port: listenerPort(),
        bind: opt(text()),
        captureMode: captureMode(),
        defaultEndpoint: opt(text()),
        tls: opt(
          serverTls({
            effect: 'refused',
            reason: 'is not served by the sidecar yet; without it the port would be open in plain text',
            mend: 'Leave it out: PeerAuthentication decides about mutual TLS.',
          }),
        ),
        connectionPool: opt(connectionPool({ since: '1.20', ...INBOUND_POOL })),
      }),
    ),
  ),
  egress: opt(
    list(
      message({
        port: opt(listenerPort()),
        bind: opt(text()),
        captureMode: captureMode(),
        hosts: list(text({ format: 'egress-host' }), { minItems: 1 }),
      }),
    ),
  ),
  inboundConnectionPool: opt(connectionPool({ since: '1.20', ...INBOUND_POOL })),
  outboundTrafficPolicy: opt(
    message({
      mode: opt(choice(['REGISTRY_ONLY', 'ALLOW_ANY'], { default: 'REGISTRY_ONLY' })),
      egressProxy: opt(
        destination({
          effect: 'refused',
          reason: 'sends unknown traffic through a proxy, which is not done yet: it would leave directly',
          mend: 'Leave it out, or use mode REGISTRY_ONLY.',
        }),
      ),
    }),
  ),
});

/** What a workload’s proxy listens on and which services it knows. */
export type SidecarSpec = Static<typeof SidecarSpec>;
export type SidecarIngress = NonNullable<SidecarSpec['ingress']>[number];
export type SidecarEgress = NonNullable<SidecarSpec['egress']>[number];
