import { parseSpiffeId, spiffeId } from '@weft/contracts';

/** @returns undefined when the account or namespace can not stand in a SPIFFE id: such an endpoint has no identity to verify. */
export function identityOf(
  trustDomain: string,
  namespace: string,
  serviceAccount: string | undefined,
): string | undefined {
  if (serviceAccount === undefined || serviceAccount === '') return undefined;
  const id = `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  return parseSpiffeId(id) ? spiffeId({ trustDomain, namespace, serviceAccount }) : undefined;
}
