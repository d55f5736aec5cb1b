/** Joins @weft/capture to the port of the pods: what is redirected in them. */
import { buildRedirectPlan, captureTexts } from '@weft/capture';
import { DNS_CAPTURE_PORT, PROXY_MARK } from '@weft/contracts';
import type { PodPlan } from '@weft/local';

export function podRules({ hubAddress, tool }: PodPlan): string {
  const plan = buildRedirectPlan({
    // Proxy and application may have the same user.
    proxy: { mark: PROXY_MARK },
    dnsPort: DNS_CAPTURE_PORT,
    // The control plane is no peer.
    excludeOutboundCidrs: [`${hubAddress}/32`],
  });
  return captureTexts(plan, 'ipv4')[tool];
}
