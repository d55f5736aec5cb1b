// The program with one listener in front of one application, configured by a control plane of its own.
import { toBinary } from '@bufbuild/protobuf';
import { XDS_TYPE } from '@weft/contracts';
import { ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { createTestAuthority, freePort, waitFor } from '@weft/testkit';
import { encode, type Resources, startControlPlane } from './control-plane.ts';
import { connectionManager, listenerOf } from './mesh-resources.ts';
import { type ChildOptions, fetchPage, type ProxyChild, startProxyChild } from './proxy-program.ts';

const NODE = 'sidecar~127.0.0.1~echo-v1.default~default.svc.cluster.local';
const METADATA = { NAMESPACE: 'default', SERVICE_ACCOUNT: 'echo', WORKLOAD_NAME: 'echo-v1', CLUSTER_ID: 'local' };
const ID = 'spiffe://cluster.local/ns/default/sa/echo';
const TOKEN = 'the token';

export interface RunningProxy extends AsyncDisposable {
  readonly proxy: ProxyChild;
  readonly admin: string;
  readonly address: string;
  readonly port: number;
  /** Of a counter or gauge; undefined when nobody answers. */
  stat(name: string): Promise<number | undefined>;
  /** POST to the admin page, with the token. */
  post(path: string): Promise<number>;
}

export interface RunningOptions extends ChildOptions {
  readonly program: string;
  readonly dir: string;
  readonly appPort: number;
  readonly args?: readonly string[];
  /** Default: standard output. */
  readonly accessLog?: string;
}

export async function startRunning(options: RunningOptions): Promise<RunningProxy> {
  const { program, dir, appPort, args = [], accessLog = '/dev/stdout', ...child } = options;
  const authority = createTestAuthority();
  const port = await freePort();
  const plane = await startControlPlane(authority, resources(port, appPort, accessLog));
  const admin = `127.0.0.1:${await freePort()}`;
  const flags = ['--node-id', NODE, '--metadata', JSON.stringify(METADATA), '--xds', plane.address, '--save-dir', dir, '--admin', admin, '--parent-fd', '3']; // prettier-ignore
  const proxy = startProxyChild(program, [...flags, ...args], child);
  const secret = authority.issue(ID);
  proxy.send({ type: 'admin-token', token: TOKEN });
  proxy.send({
    type: 'secrets',
    default: {
      certChainPem: secret.certChainPem,
      privateKeyPem: secret.privateKeyPem,
      spiffeId: ID,
      expiresAt: Date.now() + 3_600_000,
    },
    rootCaPem: authority.rootsPem,
  });
  await waitFor(() => proxy.messages.some(({ type }) => type === 'ready'), { what: 'ready', timeoutMs: 30_000 });
  return {
    proxy,
    admin,
    address: `127.0.0.1:${port}`,
    port,
    async stat(name) {
      const page = await fetchPage(admin, `/stats?filter=${name}`).catch(() => undefined);
      const line = page?.body.split('\n').find((one) => one.startsWith(`${name}: `));
      return line === undefined ? undefined : Number(line.slice(name.length + 2));
    },
    post: async (path) =>
      (await fetchPage(admin, path, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` } })).status,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await plane[Symbol.asyncDispose]();
    },
  };
}

function resources(port: number, appPort: number, accessLog: string): Resources {
  // What is sent is kept for another attempt.
  const route = { cluster: 'app', timeout: '0s', retryPolicy: { retryOn: 'reset', numRetries: 1 } };
  const virtualHost = { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route }] };
  const hcm = connectionManager({ routeConfig: { virtualHosts: [virtualHost] } }, accessLog);
  const endpoint = { address: { socketAddress: { address: '127.0.0.1', portValue: appPort } } };
  return {
    [XDS_TYPE.cluster]: {
      app: encode(ClusterSchema, {
        name: 'app',
        type: 'STATIC',
        loadAssignment: { clusterName: 'app', endpoints: [{ lbEndpoints: [{ endpoint }] }] },
      }),
    },
    [XDS_TYPE.listener]: { in: toBinary(ListenerSchema, listenerOf('in', port, 'OUTBOUND', hcm)) },
  };
}
