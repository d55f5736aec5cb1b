/** What the sidecar of a pod is told, so that it and the redirect rules agree. */
import { DNS_CAPTURE_PORT, INBOUND_CAPTURE_PORT, OUTBOUND_CAPTURE_PORT, PROXY_MARK } from '@weft/contracts';
import type { PodPlan } from '../mesh-link.ts';
import type { SocketPlace } from '../workload-place.ts';

/** The virtual listeners that rules lead to; the pod's keeper makes them, so that they outlive the proxy's process. */
export const REDIRECT_SOCKETS: readonly SocketPlace[] = [
  { address: '0.0.0.0', port: OUTBOUND_CAPTURE_PORT },
  { address: '0.0.0.0', port: INBOUND_CAPTURE_PORT },
];

/** Where the proxy of a pod answers DNS: rules lead there, but a gateway has none, so its resolv.conf does. */
export const dnsPlaceOf = ({ redirect }: Pick<PodPlan, 'redirect'>): SocketPlace => ({
  address: '127.0.0.1',
  port: redirect ? DNS_CAPTURE_PORT : 53,
});

/** Flags beside those that each proxy has. A gateway calls as it is. */
export function podProxyFlags(plan: Pick<PodPlan, 'redirect' | 'dnsSocket'>): readonly string[] {
  const { address, port } = dnsPlaceOf(plan);
  return [
    ...(plan.redirect ? [`--socket-mark=${PROXY_MARK}`] : []),
    `--dns-listen=${address}:${port}`,
    `--dns-upstream=unix:${plan.dnsSocket}`,
    // The host's name servers know nothing of the mesh's domain, and need not hear of it.
    '--dns-authoritative',
  ];
}
