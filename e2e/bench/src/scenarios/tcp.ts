/** B6: bytes that nobody reads, through one proxy and through a pair with mTLS between. */
import { makeCertificates } from '../lab/certificates.ts';
import { cluster, envoyIn, startEnvoy, tcpListener } from '../lab/envoy.ts';
import { freePort, untilItAnswers, type Lab } from '../lab/lab.ts';
import type { Contender } from '../measure.ts';
import type { Case, Scenario } from '../scenario.ts';
import { KB } from './bodies.ts';
import { envoyAt, oneEnvoy, oneSidecar } from './contenders.ts';
import { pairContender, startPair, STRICT } from './sidecar-pair.ts';

const CLIENTS = 8;

export const connections: Scenario = {
  id: 'B6',
  title: 'TCP: a connection for each exchange, and bulk bytes',
  loads: 10,
  startSeconds: 30,
  async stage(lab) {
    const whole = both(await envoyPair(lab, false), await weftPair(lab, ['--no-tls-resumption']));
    const resumed = both(await envoyPair(lab, true), await weftPair(lab, []));
    return [
      exchanges(
        'plain TCP, one proxy',
        both(await oneEnvoy(lab, 'tcp', (port) => tcpListener(port, 'backend')), await oneSidecar(lab, 'tcp')),
      ),
      exchanges('mTLS between a pair, each handshake whole', whole),
      exchanges('mTLS between a pair, sessions resumed', resumed),
      bulk('responses', resumed),
      bulk('requests', resumed),
    ];
  },
};

const both = (a: Contender | undefined, b: Contender): readonly Contender[] => (a === undefined ? [b] : [a, b]);

const exchanges = (title: string, contenders: readonly Contender[]): Case => ({
  title: `one exchange a connection, ${CLIENTS} clients: ${title}`,
  contenders,
  work: { http1: { connections: CLIENTS, requestBytes: 0, responseBytes: KB, oneExchange: true } },
  unit: { name: 'connection', perRequest: 1 },
  goals: [{ figure: 'usPerRequest', of: 'weft', against: 'envoy', most: 1.5 }],
});

const bulk = (way: 'responses' | 'requests', contenders: readonly Contender[]): Case => ({
  title: `${way} of 1 MB on ${CLIENTS} kept connections, mTLS between a pair`,
  contenders,
  work: {
    http1: {
      connections: CLIENTS,
      requestBytes: way === 'requests' ? KB * KB : 0,
      responseBytes: way === 'responses' ? KB * KB : KB,
    },
  },
  goals: [{ figure: 'mbPerCpuSecond', of: 'weft', against: 'envoy', least: 0.8 }],
});

async function envoyPair(lab: Lab, resume: boolean): Promise<Contender | undefined> {
  const found = envoyIn(lab);
  if (!found) return undefined;
  const name = resume ? 'envoy-resumes' : 'envoy-whole';
  const backend = await lab.backend();
  const certificates = makeCertificates(lab.dir, ['client', 'backend']);
  const [front, back] = [await freePort(), await freePort()];
  const server = startEnvoy(lab, found, `${name}-server`, {
    listeners: [tcpListener(back, 'backend', certificates.backend)],
    clusters: [cluster({ name: 'backend', port: backend })],
  });
  const client = startEnvoy(lab, found, `${name}-client`, {
    listeners: [tcpListener(front, 'peer')],
    clusters: [cluster({ name: 'peer', port: back, tls: { ...certificates.client, resume } })],
  });
  await untilItAnswers(front);
  return envoyAt(found.version, front, [client, server]);
}

async function weftPair(lab: Lab, flags: readonly string[]): Promise<Contender> {
  const mesh = await startPair(lab, 'tcp', flags);
  mesh.apply(STRICT);
  return pairContender(mesh, 'weft');
}
