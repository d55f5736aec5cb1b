/** SPIFFE identities of workloads: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` (SPIFFE-ID §2, Istio). */

export interface WorkloadIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export const DEFAULT_TRUST_DOMAIN = 'cluster.local';
export const SYSTEM_NAMESPACE = 'weft-system';
export const CONTROL_PLANE_ACCOUNT = 'weft-control-plane';
export const GATEWAY_ACCOUNT = 'weft-gateway';

const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SEGMENT = /^[a-zA-Z0-9._-]+$/;
// SPIFFE-ID §2.3: implementations accept up to 2048 bytes and never issue longer.
const MAX_ID_LENGTH = 2048;

const isSegment = (text: string): boolean => SEGMENT.test(text) && text !== '.' && text !== '..';

/** @throws RangeError when a part can not stand in a SPIFFE id. */
export function spiffeId(identity: WorkloadIdentity): string {
  const { trustDomain, namespace, serviceAccount } = identity;
  if (!TRUST_DOMAIN.test(trustDomain))
    throw new RangeError(`trust domain "${trustDomain}" is not lower-case letters, digits, ".", "-", "_"`);
  if (!isSegment(namespace)) throw new RangeError(`namespace "${namespace}" can not stand in a SPIFFE id`);
  if (!isSegment(serviceAccount))
    throw new RangeError(`service account "${serviceAccount}" can not stand in a SPIFFE id`);
  const id = `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  if (id.length > MAX_ID_LENGTH) throw new RangeError(`SPIFFE id is longer than ${MAX_ID_LENGTH} bytes`);
  return id;
}

/** @returns undefined unless the text is exactly a workload's SPIFFE id: scheme and trust domain in lower case, no port, query or escapes. */
export function parseSpiffeId(id: string): WorkloadIdentity | undefined {
  if (id.length > MAX_ID_LENGTH || !id.startsWith('spiffe://')) return undefined;
  const [trustDomain, ns, namespace, sa, serviceAccount, ...rest] = id.slice('spiffe://'.length).split('/');
  if (
    trustDomain === undefined ||
    ns !== 'ns' ||
    sa !== 'sa' ||
    namespace === undefined ||
    serviceAccount === undefined ||
    rest.length > 0
  ) {
    return undefined;
  }
  if (!TRUST_DOMAIN.test(trustDomain) || !isSegment(namespace) || !isSegment(serviceAccount)) return undefined;
  return { trustDomain, namespace, serviceAccount };
}

/** How policies write a principal: the SPIFFE id without its scheme. */
export const principalOf = (id: string): string => (id.startsWith('spiffe://') ? id.slice('spiffe://'.length) : id);

export const controlPlaneId = (trustDomain = DEFAULT_TRUST_DOMAIN): string =>
  spiffeId({ trustDomain, namespace: SYSTEM_NAMESPACE, serviceAccount: CONTROL_PLANE_ACCOUNT });
