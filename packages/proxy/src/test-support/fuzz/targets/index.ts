import type { FuzzTarget } from '../fuzz-target.ts';
import { clientHello, firstBytes } from './first-bytes.ts';
import { hpack } from './hpack.ts';
import { http1Request } from './http1-request.ts';
import { http1RequestNode } from './http1-request-node.ts';
import { http1Response } from './http1-response.ts';
import { http1ResponseNode } from './http1-response-node.ts';
import { http2Client } from './http2-client.ts';
import { hpackNghttp2, http2Nghttp2 } from './http2-nghttp2.ts';
import { http2Server } from './http2-server.ts';
import { proxyProtocol } from './proxy-protocol.ts';
import { routeMatching } from './route-matching.ts';

interface TargetEntry {
  readonly create: () => FuzzTarget;
  /** The target whose corpus it reads, where it has none of its own. */
  readonly corpus?: string;
  /** The other implementation can end the whole process, so that it is run by `pnpm fuzz` alone. */
  readonly risky?: true;
}

/** Every target by its name, made when it is wanted. */
export const TARGETS: ReadonlyMap<string, TargetEntry> = new Map<string, TargetEntry>([
  ['http1-request', { create: http1Request }],
  ['http1-response', { create: http1Response }],
  ['http2-server', { create: http2Server }],
  ['http2-client', { create: http2Client }],
  ['hpack', { create: hpack }],
  ['http1-request-node', { create: http1RequestNode, corpus: 'http1-request' }],
  ['http1-response-node', { create: http1ResponseNode, corpus: 'http1-response' }],
  ['http2-nghttp2', { create: http2Nghttp2, corpus: 'http2-server', risky: true }],
  ['hpack-nghttp2', { create: hpackNghttp2, corpus: 'hpack', risky: true }],
  ['proxy-protocol', { create: proxyProtocol }],
  ['client-hello', { create: clientHello }],
  ['first-bytes', { create: firstBytes }],
  ['route-matching', { create: routeMatching }],
]);
