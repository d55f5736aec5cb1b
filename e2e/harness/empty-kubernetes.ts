/**
 * The API of a Kubernetes cluster that holds nothing. istiod does not run without such an API, even when all its
 * configuration comes from files: this one answers every question truthfully for an empty cluster, and stores nothing.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface EmptyKubernetes extends AsyncDisposable {
  /** A kubeconfig for it, as text. */
  readonly kubeconfig: string;
}

const VERSION = { major: '1', minor: '34', gitVersion: 'v1.34.0', platform: 'linux/amd64' };

export async function startEmptyKubernetes(): Promise<EmptyKubernetes> {
  const server = createServer(answer);
  // A watch has no end of its own.
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    kubeconfig: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'empty', cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: 'nobody', user: {} }],
      contexts: [{ name: 'empty', context: { cluster: 'empty', user: 'nobody' } }],
      'current-context': 'empty',
    }),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://kubernetes');
  if (request.method !== 'GET') return refuse(response, 403, 'Forbidden', 'nothing is stored here');
  const about = DOCUMENTS[url.pathname];
  if (about !== undefined) return send(response, 200, about);
  const [root, ...rest] = url.pathname.split('/').filter((part) => part !== '');
  const path = root === 'api' ? rest.slice(1) : root === 'apis' ? rest.slice(2) : undefined;
  if (path === undefined) return refuse(response, 404, 'NotFound', 'there is no such page');
  if (path.length === 0) {
    const groupVersion = rest.join('/');
    return send(response, 200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [] });
  }
  // RESOURCE, or namespaces/NAMESPACE/RESOURCE; anything longer names an object.
  const isList = path.length === 1 || (path.length === 3 && path[0] === 'namespaces');
  if (!isList) return refuse(response, 404, 'NotFound', 'there are no objects');
  if (url.searchParams.get('watch') === 'true' || url.searchParams.get('watch') === '1') {
    // Who wants the present state by a watch is told to list first.
    if (url.searchParams.get('sendInitialEvents') === 'true')
      return refuse(response, 422, 'Invalid', 'sendInitialEvents is not supported');
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    return;
  }
  const partial = (request.headers.accept ?? '').includes('PartialObjectMetadataList');
  send(response, 200, {
    ...(partial ? { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' } : {}),
    metadata: { resourceVersion: '1' },
    items: [],
  });
}

const DOCUMENTS: Readonly<Record<string, object>> = {
  '/version': VERSION,
  '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
};

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

const refuse = (response: ServerResponse, code: number, reason: string, message: string): void =>
  send(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });
