/** B1, B3a and B8: one proxy, HTTP/1.1 on both sides, nothing but a route. */
import { cluster, envoyIn, httpListener, startEnvoy } from '../lab/envoy.ts';
import { floor } from '../lab/floor.ts';
import { freePort, untilItAnswers, type Lab } from '../lab/lab.ts';
import { haproxy, nginx } from '../lab/plain-proxies.ts';
import { startMesh } from '../lab/weft-mesh.ts';
import type { Contender } from '../measure.ts';
import type { Scenario } from '../scenario.ts';
import { bodyCases, KB } from './bodies.ts';

export const AUTHORITY = 'backend:8000';

export const PLAINTEXT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: DISABLE } }
`;

export const plainHttp1: Scenario = {
  id: 'B1',
  title: 'HTTP/1.1 plain, keep-alive, one route',
  loads: 5,
  startSeconds: 10,
  async stage(lab) {
    const contenders = [await floor(lab, AUTHORITY), ...(await plainContenders(lab))];
    return [
      {
        title: '1 KB, 32 connections ("floor": the same reads and writes without parsing)',
        contenders,
        work: { http1: { connections: 32, requestBytes: 0, responseBytes: KB } },
        goals: [
          { figure: 'usPerRequest', of: 'weft', against: 'envoy', most: 0.65 },
          { figure: 'usPerRequest', of: 'weft', against: 'nginx', most: 1.8 },
        ],
      },
    ];
  },
};

export const plainBodies: Scenario = {
  id: 'B3a',
  title: 'HTTP/1.1 plain with large bodies',
  loads: 12,
  startSeconds: 10,
  async stage(lab) {
    const found = [await nginx(lab, AUTHORITY), await envoy(lab), await weft(lab)];
    return bodyCases(
      found.filter((contender) => contender !== undefined),
      '16 connections',
      (sizes) => ({ http1: { connections: 16, ...sizes } }),
    );
  },
};

export const addedLatency: Scenario = {
  id: 'B8',
  title: 'Added latency, HTTP/1.1 plain, 1 000 requests/s due one by one',
  loads: 12,
  startSeconds: 10,
  async stage(lab) {
    const direct: Contender = {
      name: 'direct',
      version: '',
      host: '127.0.0.1',
      port: await lab.backend(),
      authority: AUTHORITY,
      pids: [],
    };
    const contenders = [direct, ...(await plainContenders(lab))];
    return [
      {
        title: '1 KB, 16 connections; latency from the intended send time',
        contenders,
        work: { http1: { connections: 16, requestBytes: 0, responseBytes: KB, rate: 1000 } },
        leastSeconds: 5,
        goals: [
          { figure: 'p50Ms', of: 'weft', against: 'envoy', most: 1 },
          { figure: 'p99Ms', of: 'weft', against: 'envoy', most: 1 },
        ],
      },
    ];
  },
};

async function plainContenders(lab: Lab): Promise<readonly Contender[]> {
  const found = [await nginx(lab, AUTHORITY), await haproxy(lab, AUTHORITY), await envoy(lab), await weft(lab)];
  return found.filter((contender) => contender !== undefined);
}

async function envoy(lab: Lab): Promise<Contender | undefined> {
  const found = envoyIn(lab);
  if (!found) return undefined;
  const port = await freePort();
  const pid = startEnvoy(lab, found, 'envoy-plain', {
    listeners: [httpListener({ port, cluster: 'backend' })],
    clusters: [cluster({ name: 'backend', port: await lab.backend() })],
  });
  await untilItAnswers(port);
  return { name: 'envoy', version: found.version, host: '127.0.0.1', port, authority: AUTHORITY, pids: [pid] };
}

async function weft(lab: Lab): Promise<Contender> {
  lab.say('  starting a mesh with one sidecar');
  const mesh = await startMesh(lab, 'weft-plain');
  mesh.apply(PLAINTEXT);
  await mesh.run('backend', lab.backendProgram());
  const at = await mesh.inbound('backend');
  await untilItAnswers(at.port, at.host);
  return { name: 'weft', version: mesh.version, ...at, authority: AUTHORITY, pids: [await mesh.proxyPid('backend')] };
}
