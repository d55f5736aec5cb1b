/** B2: client → proxy → mTLS → proxy → backend, as between two workloads of a mesh; CPU is that of both proxies. */
import { makeCertificates } from '../lab/certificates.ts';
import { cluster, envoyIn, httpListener, rbacFilter, startEnvoy, tcpListener, zipkinTracing } from '../lab/envoy.ts';
import { freePort, untilItAnswers, type Lab } from '../lab/lab.ts';
import { startMesh, type WeftMesh } from '../lab/weft-mesh.ts';
import type { Contender } from '../measure.ts';
import type { Case, Scenario } from '../scenario.ts';
import { AUTHORITY } from './plain-http1.ts';

const RULES = 5;
const KB = 1024;

const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: STRICT } }
---
`;

/** ALLOW rules by principal and path, of which the last one matches. */
const authorization = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: backend, namespace: default }
spec:
  selector: { matchLabels: { app: backend } }
  action: ALLOW
  rules:
${Array.from({ length: RULES }, (_, index) => {
  const last = index === RULES - 1;
  const principal = `cluster.local/ns/default/sa/client${last ? '' : `-${index}`}`;
  const path = last ? '/*' : `/no-such-${index}*`;
  return `    - { from: [{ source: { principals: ["${principal}"] } }], to: [{ operation: { paths: ["${path}"] } }] }`;
}).join('\n')}
---
`;

const between = (http2: boolean): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: backend, namespace: default }
spec:
  host: backend
  trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: ${http2 ? 'UPGRADE' : 'DO_NOT_UPGRADE'} } } }
`;

export const pairHttp1: Scenario = {
  id: 'B2a',
  title: 'Sidecar pair, mTLS and HTTP/1.1 between, metrics, 1 % traced, 5 ALLOW rules',
  stage: async (lab) => [await pairCase(lab, false, 0.75)],
};

export const pairHttp2: Scenario = {
  id: 'B2b',
  title: 'Sidecar pair, mTLS and HTTP/2 between, metrics, 1 % traced, 5 ALLOW rules',
  stage: async (lab) => [await pairCase(lab, true, 0.7)],
};

async function pairCase(lab: Lab, http2: boolean, most: number): Promise<Case> {
  const found = [await envoyPair(lab, http2), await weftPair(lab, http2)];
  return {
    title: '1 KB, 32 connections',
    contenders: found.filter((contender) => contender !== undefined),
    work: { http1: { connections: 32, requestBytes: 0, responseBytes: KB } },
    goals: [{ figure: 'usPerRequest', of: 'weft', against: 'envoy', most }],
  };
}

async function envoyPair(lab: Lab, http2: boolean): Promise<Contender | undefined> {
  const found = envoyIn(lab);
  if (!found) return undefined;
  const backend = await lab.backend();
  const certificates = makeCertificates(lab.dir, ['client', 'backend']);
  const [front, back] = [await freePort(), await freePort()];
  const collector = cluster({ name: 'collector', port: backend });
  const server = startEnvoy(lab, found, 'envoy-server', {
    listeners: [
      httpListener({
        port: back,
        cluster: 'backend',
        mtls: certificates.backend,
        filters: [rbacFilter('spiffe://cluster.local/ns/default/sa/client', RULES)],
        tracing: zipkinTracing('collector'),
      }),
    ],
    clusters: [cluster({ name: 'backend', port: backend }), collector],
  });
  const client = startEnvoy(lab, found, 'envoy-client', {
    listeners: [httpListener({ port: front, cluster: 'peer', tracing: zipkinTracing('collector') })],
    clusters: [cluster({ name: 'peer', port: back, http2, tls: certificates.client }), collector],
  });
  await untilItAnswers(front);
  return {
    name: 'envoy',
    version: found.version,
    host: '127.0.0.1',
    port: front,
    authority: AUTHORITY,
    pids: [client, server],
  };
}

async function weftPair(lab: Lab, http2: boolean): Promise<Contender> {
  const mesh = await startPair(lab, http2 ? 'weft-pair-h2' : 'weft-pair-h1', 'http');
  mesh.apply(strict + authorization + between(http2));
  return contenderOf(mesh, 'weft');
}

async function startPair(lab: Lab, name: string, protocol: 'http' | 'tcp'): Promise<WeftMesh> {
  lab.say('  starting a mesh with two sidecars');
  const mesh = await startMesh(lab, name, ['--trace-sampling=1']);
  await mesh.run('backend', lab.backendProgram(), protocol);
  await mesh.run('client', lab.backendProgram(), 'http');
  return mesh;
}

async function contenderOf(mesh: WeftMesh, name: string): Promise<Contender> {
  const at = await mesh.outbound('client', 'backend');
  await untilItAnswers(at.port, at.host);
  const pids = [await mesh.proxyPid('client'), await mesh.proxyPid('backend')];
  return { name, version: mesh.version, ...at, authority: AUTHORITY, pids };
}

/** B6: every exchange has a connection of its own, so that each costs a handshake between the pair. */
export const connections: Scenario = {
  id: 'B6',
  title: 'TCP through a pair with mTLS between',
  async stage(lab) {
    const contenders = [await envoyTcpPair(lab), await weftTcpPair(lab)].filter((contender) => contender !== undefined);
    return [
      {
        title: 'one exchange a connection, 8 clients',
        contenders,
        work: { http1: { connections: 8, requestBytes: 0, responseBytes: KB, oneExchange: true } },
        goals: [{ figure: 'usPerRequest', of: 'weft', against: 'envoy', most: 1.5 }],
      },
      {
        title: '1 MB a response on 8 kept connections',
        contenders,
        work: { http1: { connections: 8, requestBytes: 0, responseBytes: KB * KB } },
        goals: [{ figure: 'mbPerCpuSecond', of: 'weft', against: 'envoy', least: 0.8 }],
      },
    ];
  },
};

async function envoyTcpPair(lab: Lab): Promise<Contender | undefined> {
  const found = envoyIn(lab);
  if (!found) return undefined;
  const backend = await lab.backend();
  const certificates = makeCertificates(lab.dir, ['client', 'backend']);
  const [front, back] = [await freePort(), await freePort()];
  const server = startEnvoy(lab, found, 'envoy-tcp-server', {
    listeners: [tcpListener(back, 'backend', certificates.backend)],
    clusters: [cluster({ name: 'backend', port: backend })],
  });
  const client = startEnvoy(lab, found, 'envoy-tcp-client', {
    listeners: [tcpListener(front, 'peer')],
    clusters: [cluster({ name: 'peer', port: back, tls: certificates.client })],
  });
  await untilItAnswers(front);
  return {
    name: 'envoy',
    version: found.version,
    host: '127.0.0.1',
    port: front,
    authority: AUTHORITY,
    pids: [client, server],
  };
}

async function weftTcpPair(lab: Lab): Promise<Contender> {
  const mesh = await startPair(lab, 'weft-tcp', 'tcp');
  mesh.apply(strict);
  return contenderOf(mesh, 'weft');
}
