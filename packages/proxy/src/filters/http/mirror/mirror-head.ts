import { type MirrorPolicy, withoutPort } from '@weft/evaluator';
import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';

/** The head of a copy. It outlives the request's own, which is gone with the request. */
export function mirrorHead(head: HeadView, policy: MirrorPolicy): FieldsHead {
  const authority = head.get(':authority') ?? '';
  const copy = FieldsHead.request(
    head.get(':method') ?? 'GET',
    head.get(':path') ?? '/',
    policy.marksHost ? shadowOf(authority) : authority,
  );
  copy.set(':scheme', head.get(':scheme') ?? 'http');
  head.forEach((name, value) => {
    if (name.length === 4 && name.toLowerCase() === 'host') return;
    copy.add(name, value);
  });
  // Nobody waits for a 100 here.
  copy.remove('expect');
  if (policy.traceSampled !== undefined) setSampled(copy, policy.traceSampled);
  return copy;
}

/** `reviews:9080` → `reviews-shadow:9080`. Addresses stay: there is no host of that name. */
export function shadowOf(authority: string): string {
  const host = withoutPort(authority);
  if (host === '' || host.startsWith('[') || /^[\d.]+$/.test(host)) return authority;
  return `${host}-shadow${authority.slice(host.length)}`;
}

const TRACEPARENT = /^([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-)[0-9a-f]{2}/;
const B3 = /^([0-9a-f]{16,32}-[0-9a-f]{16})-[01d]/i;

/** The verdict in whatever headers carry one. */
function setSampled(head: FieldsHead, sampled: boolean): void {
  const traceparent = head.get('traceparent');
  if (traceparent !== undefined)
    head.set('traceparent', traceparent.replace(TRACEPARENT, `$1${sampled ? '01' : '00'}`));
  const b3 = head.get('b3');
  if (b3 !== undefined) head.set('b3', b3.replace(B3, `$1-${sampled ? '1' : '0'}`));
  if (head.has('x-b3-sampled')) head.set('x-b3-sampled', sampled ? '1' : '0');
  if (head.has('x-b3-flags') && !sampled) head.remove('x-b3-flags');
}
