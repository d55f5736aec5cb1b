/** What the sidecar of a pod is told, so that it and the redirect rules agree. */
import type { PodPlan } from '../mesh-link.ts';
import type { SocketPlace } from '../workload-place.ts';

/** On what the proxy sends, so that its own calls are not redirected to it again. */
export const PROXY_MARK = 1337;
export const POD_DNS_PORT = 15053;

/** The virtual listeners that rules lead to; the pod's keeper makes them, so that they outlive the proxy's process. */
export const REDIRECT_SOCKETS: readonly SocketPlace[] = [
  { address: '0.0.0.0', port: 15001 },
  { address: '0.0.0.0', port: 15006 },
];

/** Where the proxy of a pod answers DNS: rules lead there, but a gateway has none, so its resolv.conf does. */
export const dnsPlaceOf = ({ redirect }: Pick<PodPlan, 'redirect'>): SocketPlace => ({
  address: '127.0.0.1',
  port: redirect ? POD_DNS_PORT : 53,
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
