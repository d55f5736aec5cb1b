/** One proxy in front of the backend, Envoy's and ours, with nothing to do but pass on. */
import { cluster, type EnvoyCluster, envoyIn, startEnvoy } from '../lab/envoy.ts';
import { type BackendProtocol, freePort, type Lab, untilItAccepts, untilItAnswers } from '../lab/lab.ts';
import { startMesh } from '../lab/weft-mesh.ts';
import type { Contender } from '../measure.ts';

export const AUTHORITY = 'backend:8000';

const PLAINTEXT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: DISABLE } }
`;

export type Protocol = 'http' | 'http2' | 'tcp';
const BACKEND: Readonly<Record<Protocol, BackendProtocol>> = { http: 'http1', http2: 'http2', tcp: 'http1' };

/** A question over HTTP/1.1 is no use where HTTP/2 is spoken. */
const untilItServes = (protocol: Protocol, port: number, host?: string): Promise<void> =>
  protocol === 'http2' ? untilItAccepts(port, host) : untilItAnswers(port, host);

/** @param pids of one Envoy or more, of which the first one's listener is at `port` of this machine. */
export const envoyAt = (version: string, port: number, pids: readonly number[]): Contender => ({
  name: 'envoy',
  version,
  host: '127.0.0.1',
  port,
  authority: AUTHORITY,
  pids,
});

/** @param listener passes on to the cluster `backend`. @returns undefined where there is no Envoy. */
export async function oneEnvoy(
  lab: Lab,
  protocol: Protocol,
  listener: (port: number) => object,
): Promise<Contender | undefined> {
  const found = envoyIn(lab);
  if (!found) return undefined;
  const port = await freePort();
  const backend: EnvoyCluster = { name: 'backend', port: await lab.backend(BACKEND[protocol]) };
  const pid = startEnvoy(lab, found, `envoy-${protocol}`, {
    listeners: [listener(port)],
    clusters: [cluster(protocol === 'http2' ? { ...backend, http2: true } : backend)],
  });
  await untilItServes(protocol, port);
  return envoyAt(found.version, port, [pid]);
}

/** The sidecar of the backend, as a peer without TLS reaches it. */
export async function oneSidecar(lab: Lab, protocol: Protocol): Promise<Contender> {
  lab.say('  starting a mesh with one sidecar');
  const mesh = await startMesh(lab, `weft-${protocol}`);
  mesh.apply(PLAINTEXT);
  await mesh.run('backend', lab.backendProgram(BACKEND[protocol]), protocol);
  const at = await mesh.inbound('backend');
  await untilItServes(protocol, at.port, at.host);
  return { name: 'weft', version: mesh.version, ...at, authority: AUTHORITY, pids: [await mesh.proxyPid('backend')] };
}
