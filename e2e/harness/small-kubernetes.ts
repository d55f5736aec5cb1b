/**
 * The API of a Kubernetes cluster that holds nothing but the secrets of a test. istiod does not run without such an API,
 * even when all its configuration comes from files. Every question is answered truthfully for such a cluster; all who ask
 * may read its secrets.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SmallKubernetes extends AsyncDisposable {
  /** A kubeconfig for it, as text. */
  readonly kubeconfig: string;
  /** @param data by key, as text; undefined: the secret is deleted. */
  putSecret(namespace: string, name: string, data: Readonly<Record<string, string>> | undefined): void;
}

const VERSION = { major: '1', minor: '34', gitVersion: 'v1.34.0', platform: 'linux/amd64' };

export async function startSmallKubernetes(): Promise<SmallKubernetes> {
  const secrets = new Secrets();
  const server = createServer((request, response) => answer(request, response, secrets));
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
    putSecret: (namespace, name, data) => secrets.put(namespace, name, data),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Those that there are, and who watches them. */
class Secrets {
  readonly #objects = new Map<string, object>();
  readonly #watchers = new Set<ServerResponse>();
  #version = 1;

  get list(): { readonly metadata: object; readonly items: readonly object[] } {
    return { metadata: { resourceVersion: String(this.#version) }, items: [...this.#objects.values()] };
  }

  put(namespace: string, name: string, data: Readonly<Record<string, string>> | undefined): void {
    this.#version += 1;
    const key = `${namespace}/${name}`;
    const former = this.#objects.get(key);
    const resourceVersion = String(this.#version);
    if (data === undefined) {
      this.#objects.delete(key);
      this.#tell('DELETED', { ...former, metadata: { namespace, name, resourceVersion } });
      return;
    }
    const encoded = Object.entries(data).map(([field, text]) => [field, Buffer.from(text).toString('base64')]);
    const secret = {
      kind: 'Secret',
      apiVersion: 'v1',
      metadata: { namespace, name, uid: key, resourceVersion, creationTimestamp: '2026-01-01T00:00:00Z' },
      type: 'Opaque',
      data: Object.fromEntries(encoded) as object,
    };
    this.#objects.set(key, secret);
    this.#tell(former === undefined ? 'ADDED' : 'MODIFIED', secret);
  }

  watch(response: ServerResponse): void {
    this.#watchers.add(response);
    response.once('close', () => this.#watchers.delete(response));
  }

  #tell(type: string, object: object): void {
    for (const watcher of this.#watchers) watcher.write(`${JSON.stringify({ type, object })}\n`);
  }
}

const REVIEWS = '/apis/authorization.k8s.io/v1/subjectaccessreviews';

function answer(request: IncomingMessage, response: ServerResponse, secrets: Secrets): void {
  const url = new URL(request.url ?? '/', 'http://kubernetes');
  if (request.method === 'POST' && url.pathname === REVIEWS) {
    request.resume();
    const review = { kind: 'SubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', status: { allowed: true } };
    return send(response, 201, review);
  }
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
  const isSecrets = root === 'api' && path.at(-1) === 'secrets';
  if (!isList) return refuse(response, 404, 'NotFound', 'there are no objects');
  if (url.searchParams.get('watch') === 'true' || url.searchParams.get('watch') === '1') {
    // Who wants the present state by a watch is told to list first.
    if (url.searchParams.get('sendInitialEvents') === 'true')
      return refuse(response, 422, 'Invalid', 'sendInitialEvents is not supported');
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (isSecrets) secrets.watch(response);
    return;
  }
  const partial = (request.headers.accept ?? '').includes('PartialObjectMetadataList');
  send(response, 200, {
    ...(partial ? { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' } : {}),
    ...(isSecrets ? { kind: 'SecretList', apiVersion: 'v1', ...secrets.list } : NOTHING),
  });
}

const NOTHING = { metadata: { resourceVersion: '1' }, items: [] };

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
