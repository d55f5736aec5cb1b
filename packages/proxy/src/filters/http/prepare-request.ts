import type { ReasonCode } from '@weft/contracts';
import { withoutPort } from '@weft/evaluator';
import type { HeadView } from '../../head/head-view.ts';
import type { DownstreamStream } from '../../http/streams.ts';
import type { RequestRecord } from '../../request-record.ts';
import type { ReplyOptions } from './http-filter.ts';
import type { ManagerContext } from './manager-context.ts';
import { hasEscapedSlash, normalizePath, unescapeSlashes } from './normalize-path.ts';
import {
  forwardClientAddress,
  forwardClientCertificate,
  requestUuid,
  stripInternalHeaders,
} from './request-headers.ts';

/** A request whose facts are filled in here. */
export interface PreparedStream {
  readonly manager: ManagerContext;
  readonly downstream: DownstreamStream;
  readonly record: RequestRecord;
  method: string;
  path: string;
  query: string;
  authority: string;
  scheme: string;
  remoteIp: string;
  upgradeType: string;
  reply(reason: ReasonCode, options?: ReplyOptions): void;
}

/** Brings a new request into the one form that policy, routing and the upstream see, and starts its record. */
export function checkAndPrepare(stream: PreparedStream, head: HeadView): ReasonCode | 'replied' | undefined {
  const { manager, record, downstream } = stream;
  const { settings } = manager;
  const { connection } = downstream;
  stream.method = head.get(':method') ?? '';
  // CONNECT has none.
  const target = head.get(':path') ?? (stream.method === 'CONNECT' ? '' : '/');
  stream.authority = settleAuthority(stream, head);
  stream.scheme = connection.secure ? 'https' : 'http';
  record.startMs = manager.timers.now();
  record.direction = settings.direction;
  record.listener = settings.listener;
  record.protocol = downstream.protocol;
  record.method = stream.method;
  record.path = target;
  record.authority = stream.authority;
  record.scheme = connection.secure ? 'https' : 'http';
  record.downstreamRemoteAddress = manager.remoteOf(connection);
  record.downstreamLocalAddress = manager.localOf(connection);
  record.requestedServerName = connection.requestedServerName;
  record.connection = connection;
  record.sourcePrincipal = connection.peerPrincipal;
  record.mutualTls = connection.peerFingerprint !== '';
  record.peerSubject = connection.peerSubject;
  record.peerFingerprint = connection.peerFingerprint;

  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  stream.query = mark < 0 ? '' : target.slice(mark + 1);
  const failure = settlePath(stream, head, path);
  if (failure !== undefined) return failure;

  if (settings.underscores !== 'allow' && !settleUnderscores(stream, head)) return 'underscored-header';
  learnPeer(stream, head);
  stripInternalHeaders(head, connection, settings);
  stream.remoteIp = forwardClientAddress(head, connection, settings);
  if (stream.remoteIp !== connection.remoteAddress) record.forwardedClient = stream.remoteIp;
  forwardClientCertificate(head, connection, settings);
  const upgrade = head.get('upgrade');
  if (stream.method === 'CONNECT') stream.upgradeType = 'connect';
  else if (upgrade !== undefined) {
    const type = upgrade.toLowerCase();
    // h2c by upgrade is never taken up (RFC 9113 §3.1); the request is served as it is.
    if (type === 'h2c' || type.startsWith('h2c,')) head.remove('upgrade');
    else stream.upgradeType = type;
  }
  record.forwardedFor = head.get('x-forwarded-for') ?? '';
  record.userAgent = head.get('user-agent') ?? '';
  let id = head.get('x-request-id');
  if (settings.generateRequestId && (id === undefined || (settings.useRemoteAddress && !settings.preserveRequestId))) {
    id = requestUuid(manager.random);
    head.set('x-request-id', id);
  }
  record.requestId = id ?? '';
  if (settings.via !== '') head.add('via', settings.via);
  return undefined;
}

/** The authority without the port where the listener says so. */
function settleAuthority({ manager, downstream }: PreparedStream, head: HeadView): string {
  const authority = head.get(':authority') ?? '';
  const { stripPort } = manager.settings;
  if (stripPort === 'no') return authority;
  const bare = withoutPort(authority);
  if (bare === authority) return authority;
  if (stripPort === 'matching' && authority.slice(bare.length + 1) !== String(downstream.connection.localPort))
    return authority;
  head.set(':authority', bare);
  return bare;
}

/** Applications that turn names into variables read `a_b` and `a-b` alike. @returns false for a request to refuse. */
function settleUnderscores({ manager }: PreparedStream, head: HeadView): boolean {
  let names: string[] | undefined;
  head.forEach((name) => {
    if (name.includes('_')) (names ??= []).push(name);
  });
  if (names === undefined) return true;
  const { underscores } = manager.settings;
  manager.count(underscores === 'reject' ? 'requests_rejected_with_underscores' : 'dropped_headers_with_underscores');
  if (underscores === 'reject') return false;
  for (const name of names) head.remove(name.toLowerCase());
  return true;
}

/** A mesh peer tells who it is with the first request of a connection; nobody else is believed. */
function learnPeer({ manager, downstream, record }: PreparedStream, head: HeadView): void {
  const { connection } = downstream;
  const metadata = head.get('x-envoy-peer-metadata');
  if (metadata !== undefined) {
    if (manager.settings.direction === 'inbound' && connection.peerPrincipal !== '' && manager.peers !== undefined) {
      connection.peerWorkload = manager.peers.read(metadata, connection.peerPrincipal);
      connection.peerKey = `${connection.peerPrincipal} ${connection.peerWorkload}`;
    }
    head.remove('x-envoy-peer-metadata');
  }
  head.remove('x-envoy-peer-metadata-id');
  record.sourceWorkload = connection.peerWorkload;
}

function settlePath(stream: PreparedStream, head: HeadView, received: string): ReasonCode | 'replied' | undefined {
  const { settings } = stream.manager;
  let path = received;
  let redirect = false;
  if (settings.escapedSlashes !== 'keep' && hasEscapedSlash(path)) {
    if (settings.escapedSlashes === 'reject') return 'path-normalization-failed';
    path = unescapeSlashes(path);
    redirect = settings.escapedSlashes === 'unescape-and-redirect';
  }
  if (settings.normalizePath && stream.method !== 'CONNECT') {
    const normal = normalizePath(path, settings.mergeSlashes);
    if (normal === undefined) return 'path-normalization-failed';
    path = normal;
  }
  stream.path = path;
  if (path !== received) head.set(':path', stream.query === '' ? path : `${path}?${stream.query}`);
  if (!redirect) return undefined;
  const location = stream.query === '' ? path : `${path}?${stream.query}`;
  stream.reply('direct-response', {
    status: 307,
    silent: true,
    headers: [['location', location]],
    details: 'path_normalization_redirect',
  });
  return 'replied';
}
