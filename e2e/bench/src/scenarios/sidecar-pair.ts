/** B2 and B3b: client → proxy → mTLS → proxy → backend, as between two workloads of a mesh; CPU is that of both proxies. */
import { randomBytes } from 'node:crypto';
import { makeCertificates } from '../lab/certificates.ts';
import { cluster, envoyIn, httpListener, rbacFilter, startEnvoy, zipkinTracing } from '../lab/envoy.ts';
import { freePort, untilItAnswers, type Lab } from '../lab/lab.ts';
import { startMesh, type WeftMesh } from '../lab/weft-mesh.ts';
import type { Contender } from '../measure.ts';
import type { Scenario } from '../scenario.ts';
import { bodyCases, KB } from './bodies.ts';
import { AUTHORITY, envoyAt } from './contenders.ts';

const RULES = 5;

export const STRICT = `
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

const between = (policy: 'UPGRADE' | 'DO_NOT_UPGRADE'): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: backend, namespace: default }
spec:
  host: backend
  trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: ${policy} } } }
`;

const CARRIED = 'weft, as it comes';

export const pairHttp1: Scenario = {
  id: 'B2a',
  title: 'Sidecar pair, mTLS and HTTP/1.1 between, metrics, 1 % traced, 5 ALLOW rules',
  loads: 3,
  startSeconds: 25,
  async stage(lab) {
    const found = [
      await envoyPair(lab, false),
      await weftPair(lab, 'weft', between('DO_NOT_UPGRADE')),
      // Nothing said: HTTP/1.1 is carried in HTTP/2 between two of them.
      await weftPair(lab, CARRIED, ''),
    ];
    return [
      {
        title: `1 KB, 32 connections ("${CARRIED}": without a rule, HTTP/1.1 carried in HTTP/2)`,
        contenders: found.filter((contender) => contender !== undefined),
        work: { http1: { connections: 32, requestBytes: 0, responseBytes: KB } },
        goals: ['weft', CARRIED].map((of) => ({ figure: 'usPerRequest', of, against: 'envoy', most: 0.75 })),
      },
    ];
  },
};

export const pairHttp2: Scenario = {
  id: 'B2b',
  title: 'Sidecar pair, mTLS and HTTP/2 between, metrics, 1 % traced, 5 ALLOW rules',
  loads: 2,
  startSeconds: 15,
  stage: async (lab) => [
    {
      title: '1 KB, 32 connections',
      contenders: await http2Pairs(lab),
      work: { http1: { connections: 32, requestBytes: 0, responseBytes: KB } },
      goals: [{ figure: 'usPerRequest', of: 'weft', against: 'envoy', most: 0.7 }],
    },
  ],
};

export const pairBodies: Scenario = {
  id: 'B3b',
  title: 'Sidecar pair as in B2b with large bodies',
  loads: 8,
  startSeconds: 15,
  stage: async (lab) =>
    bodyCases(await http2Pairs(lab), '16 connections', (sizes) => ({ http1: { connections: 16, ...sizes } })),
};

async function http2Pairs(lab: Lab): Promise<readonly Contender[]> {
  const found = [await envoyPair(lab, true), await weftPair(lab, 'weft', between('UPGRADE'))];
  return found.filter((contender) => contender !== undefined);
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
  return envoyAt(found.version, front, [client, server]);
}

async function weftPair(lab: Lab, name: string, rule: string): Promise<Contender> {
  const mesh = await startPair(lab, 'http', ['--trace-sampling=1']);
  mesh.apply(STRICT + authorization + rule);
  return pairContender(mesh, name);
}

/** A mesh of a backend and a client, whose sidecars are what is measured. */
export async function startPair(lab: Lab, protocol: 'http' | 'tcp', flags: readonly string[] = []): Promise<WeftMesh> {
  lab.say('  starting a mesh with two sidecars');
  const mesh = await startMesh(lab, `weft-pair-${randomBytes(3).toString('hex')}`, flags);
  await mesh.run('backend', lab.backendProgram(), protocol);
  await mesh.run('client', lab.backendProgram(), 'http');
  return mesh;
}

/** Calls from the client to the backend. @param measured whose sidecars. */
export async function pairContender(
  mesh: WeftMesh,
  name: string,
  measured: readonly string[] = ['client', 'backend'],
): Promise<Contender> {
  const at = await mesh.outbound('client', 'backend');
  await untilItAnswers(at.port, at.host);
  const pids: number[] = [];
  for (const workload of measured) pids.push(await mesh.proxyPid(workload));
  return { name, version: mesh.version, ...at, authority: AUTHORITY, pids };
}
