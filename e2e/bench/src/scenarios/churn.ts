/** B9: endpoints that change all the time beside steady traffic; Weft against itself. */
import { untilItAnswers } from '../lab/lab.ts';
import { startMesh, type WeftMesh } from '../lab/weft-mesh.ts';
import type { Scenario } from '../scenario.ts';
import { AUTHORITY } from './plain-http1.ts';

const KB = 1024;
const UPDATES_PER_SECOND = 50;

export const churn: Scenario = {
  id: 'B9',
  title: `${UPDATES_PER_SECOND} endpoint updates a second beside 1 000 requests/s`,
  async stage(lab) {
    lab.say('  starting a mesh with two sidecars');
    const mesh = await startMesh(lab, 'weft-churn');
    await mesh.run('backend', lab.backendProgram());
    await mesh.run('client', lab.backendProgram());
    const at = await mesh.outbound('client', 'backend');
    await untilItAnswers(at.port, at.host);
    const pids = [await mesh.proxyPid('client')];
    const quiet = { name: 'quiet', version: mesh.version, ...at, authority: AUTHORITY, pids };
    return [
      {
        title: '1 KB, 16 connections',
        contenders: [quiet, { ...quiet, name: 'churn', beside: () => updates(mesh) }],
        work: { http1: { connections: 16, requestBytes: 0, responseBytes: KB, rate: 1000 } },
        goals: [{ figure: 'p99Ms', of: 'churn', against: 'quiet', most: 1.2 }],
      },
    ];
  },
};

/** The endpoints of another service in the client's scope move with each update. */
function updates(mesh: WeftMesh): () => Promise<void> {
  let count = 0;
  let over = false;
  const run = async (): Promise<void> => {
    const startMs = performance.now();
    while (!over) {
      count += 1;
      await mesh.post('/api/v1/config/apply', { yaml: endpointsOf(count), waitMs: 0 });
      const dueMs = startMs + (count * 1000) / UPDATES_PER_SECOND;
      await new Promise((done) => setTimeout(done, Math.max(0, dueMs - performance.now())));
    }
  };
  const running = run();
  // Seen when it is ended.
  running.catch(() => {});
  return async () => {
    over = true;
    await running;
  };
}

const endpointsOf = (count: number): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: moving, namespace: default }
spec:
  hosts: [moving.example.com]
  ports: [{ number: 8000, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.${(count % 200) + 1} }, { address: 127.0.1.${(count % 100) + 1} }]
`;
