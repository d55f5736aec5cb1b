import { withoutPort } from '@weft/evaluator';
import type { HeadView } from '../head/head-view.ts';

/** The name by which TLS asks for the host of a request with this authority; empty where there is none. */
export function askedName(authority: string): string {
  const host = withoutPort(authority).toLowerCase();
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

/** The same for a request to a cluster; empty where names are not taken from requests. */
export const askedBy = (
  { settings }: { readonly settings: { readonly http: { readonly autoSni: boolean } } },
  head: HeadView | undefined,
): string => (settings.http.autoSni ? askedName(head?.get(':authority') ?? '') : '');
