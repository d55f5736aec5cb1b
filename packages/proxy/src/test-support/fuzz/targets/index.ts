import type { FuzzTarget } from '../fuzz-target.ts';
import { clientHello, firstBytes } from './first-bytes.ts';
import { hpack } from './hpack.ts';
import { http1Request } from './http1-request.ts';
import { http1RequestNode } from './http1-request-node.ts';
import { http1Response } from './http1-response.ts';
import { http1ResponseNode } from './http1-response-node.ts';
import { http2Client } from './http2-client.ts';
import { http2Server } from './http2-server.ts';
import { proxyProtocol } from './proxy-protocol.ts';

/** Every target by its name, made when it is wanted; where one reads the corpus of another, that one's name. */
export const TARGETS: ReadonlyMap<string, { readonly create: () => FuzzTarget; readonly corpus?: string }> = new Map<
  string,
  { readonly create: () => FuzzTarget; readonly corpus?: string }
>([
  ['http1-request', { create: http1Request }],
  ['http1-response', { create: http1Response }],
  ['http2-server', { create: http2Server }],
  ['http2-client', { create: http2Client }],
  ['hpack', { create: hpack }],
  ['http1-request-node', { create: http1RequestNode, corpus: 'http1-request' }],
  ['http1-response-node', { create: http1ResponseNode, corpus: 'http1-response' }],
  ['proxy-protocol', { create: proxyProtocol }],
  ['client-hello', { create: clientHello }],
  ['first-bytes', { create: firstBytes }],
]);
