// What the connection manager itself changes in a request's head before routing: who called, by which way, under which id.
import type { Random } from '@weft/kit';
import type { HeadView } from '../../head/head-view.ts';
import { hex16, hex32 } from '../../hex.ts';
import { H1Head } from '../../http1/h1-head.ts';
import { H2Head } from '../../http2/h2-head.ts';
import type { DownstreamConnection } from '../../http/streams.ts';
import type { HcmSettings } from './hcm-settings.ts';

// From strangers these would steer the mesh.
const STRANGERS_MUST_NOT_SEND = new Set([
  'x-envoy-internal',
  'x-envoy-external-address',
  'x-envoy-force-trace',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-ip-tags',
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-attempt-count',
  'x-envoy-original-path',
  'x-envoy-original-dst-host',
  'x-envoy-upstream-stream-duration-ms',
  'x-envoy-is-timeout-retry',
]);

/** Takes away what only the mesh may say: at the edge, and from callers inside that showed no certificate. */
export function stripInternalHeaders(head: HeadView, connection: DownstreamConnection, settings: HcmSettings): void {
  const stranger = settings.useRemoteAddress || (settings.direction === 'inbound' && connection.peerFingerprint === '');
  if (stranger) head.remove('x-istio-attributes');
  if (hasNoInternalNames(head)) return;
  const isInternal = (name: string): boolean =>
    name.startsWith('x-weft-') ||
    // What an application says of paths before a rewrite is no more than that.
    (settings.direction === 'outbound' && name === 'x-envoy-original-path') ||
    (stranger &&
      (STRANGERS_MUST_NOT_SEND.has(name) ||
        name.startsWith('x-envoy-retriable-') ||
        name.startsWith('x-envoy-fault-')));
  removeWhere(head, isInternal);
}

/** `x-weft-*` from an application or a stranger says nothing about the mesh. */
export function stripMeshHeaders(head: HeadView): void {
  if (hasNoInternalNames(head)) return;
  removeWhere(head, (name) => name.startsWith('x-weft-'));
}

/** Known at once of heads that codecs made. */
function hasNoInternalNames(head: HeadView): boolean {
  if (head instanceof H1Head) return !head.parser.hasInternalNames;
  return head instanceof H2Head && !head.hasInternalNames;
}

function removeWhere(head: HeadView, test: (lowerCaseName: string) => boolean): void {
  if (head instanceof H1Head || head instanceof H2Head) {
    head.removeWhere(test);
    return;
  }
  const names: string[] = [];
  head.forEach((name) => names.push(name.toLowerCase()));
  for (const name of names) if (test(name)) head.remove(name);
}

/** Writes X-Forwarded-For and X-Forwarded-Proto. @returns the address of the client as far as it is trusted. */
export function forwardClientAddress(head: HeadView, connection: DownstreamConnection, settings: HcmSettings): string {
  const { useRemoteAddress, trustedHops, skipXffAppend } = settings;
  const scheme = connection.secure ? 'https' : 'http';
  const former = head.get('x-forwarded-for');
  let client = connection.remoteAddress;
  if (useRemoteAddress) {
    if (trustedHops > 0) client = fromRight(former, trustedHops) ?? client;
    if (!skipXffAppend)
      head.set(
        'x-forwarded-for',
        former === undefined ? connection.remoteAddress : `${former},${connection.remoteAddress}`,
      );
    if (trustedHops === 0 || !head.has('x-forwarded-proto')) head.set('x-forwarded-proto', scheme);
  } else {
    client = fromRight(former, trustedHops + 1) ?? client;
    if (!head.has('x-forwarded-proto')) head.set('x-forwarded-proto', scheme);
  }
  return client;
}

/** The n-th address from the right, counted from 1. */
function fromRight(list: string | undefined, n: number): string | undefined {
  if (list === undefined) return undefined;
  const address = list.split(',').at(-n)?.trim();
  return address === undefined || address === '' ? undefined : address;
}

export function forwardClientCertificate(
  head: HeadView,
  connection: DownstreamConnection,
  settings: HcmSettings,
): void {
  const mode = settings.certForwarding;
  const mutual = connection.peerFingerprint !== '';
  if (mode === 'always-forward-only' || (mode === 'forward-only' && mutual)) return;
  if (mode === 'append-forward' && mutual) {
    const former = head.get('x-forwarded-client-cert');
    const own = certificateElement(connection, settings);
    head.set('x-forwarded-client-cert', former === undefined ? own : `${former},${own}`);
    return;
  }
  if (mode === 'sanitize-set' && mutual) {
    head.set('x-forwarded-client-cert', certificateElement(connection, settings));
    return;
  }
  head.remove('x-forwarded-client-cert');
}

function certificateElement(connection: DownstreamConnection, settings: HcmSettings): string {
  const parts: string[] = [];
  if (connection.ownPrincipal !== '') parts.push(`By=${connection.ownPrincipal}`);
  parts.push(`Hash=${connection.peerFingerprint}`);
  if (settings.certDetails.subject)
    parts.push(`Subject="${connection.peerSubject.replaceAll(/["\\]/g, String.raw`\$&`)}"`);
  if (settings.certDetails.uri) parts.push(`URI=${connection.peerPrincipal}`);
  return parts.join(';');
}

/** UUID version 4 (RFC 9562). Names a request; it is not a secret. */
export function requestUuid(random: Random): string {
  const a = random.int(0x1_0000_0000);
  const b = random.int(0x1_0000_0000);
  const c = random.int(0x1_0000_0000);
  const d = random.int(0x1_0000_0000);
  return `${hex32(a)}-${hex16(b >>> 16)}-${hex16((b & 0x0fff) | 0x4000)}-${hex16(((c >>> 16) & 0x3fff) | 0x8000)}-${hex16(c)}${hex32(d)}`;
}
