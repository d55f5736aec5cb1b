/** B9: endpoints that change all the time beside steady traffic; Weft against itself. */
import { giveWay } from '../lab/cores.ts';
import type { Lab } from '../lab/lab.ts';
import type { WeftMesh } from '../lab/weft-mesh.ts';
import type { Scenario } from '../scenario.ts';
import { KB } from './bodies.ts';
import { pairContender, startPair } from './sidecar-pair.ts';

// Each change moves the endpoints of several services: so many assignments reach the sidecar together.
const CHANGES_PER_SECOND = 10;
const SERVICES = 5;
const UPDATES_PER_SECOND = CHANGES_PER_SECOND * SERVICES;
const LEAST_PART = 0.9;

export const churn: Scenario = {
  id: 'B9',
  title: `${UPDATES_PER_SECOND} endpoint updates a second beside 1 000 requests/s`,
  loads: 5,
  startSeconds: 15,
  async stage(lab) {
    const mesh = await startPair(lab, 'http');
    mesh.apply(endpointsOf(0));
    const quiet = await pairContender(mesh, 'quiet', ['client']);
    letControlPlaneGiveWay(lab, mesh);
    return [
      {
        title: '1 KB, 16 connections',
        contenders: [quiet, { ...quiet, name: 'churn', beside: () => updates(mesh) }],
        leastSeconds: 5,
        work: { http1: { connections: 16, requestBytes: 0, responseBytes: KB, rate: 1000 } },
        goals: [{ figure: 'p99Ms', of: 'churn', against: 'quiet', most: 1.2 }],
      },
    ];
  },
};

/** It shares a core with the load, whose requests must not be late because of it; sidecars have a core of their own. */
function letControlPlaneGiveWay(lab: Lab, mesh: WeftMesh): void {
  try {
    mesh.ownPids().forEach(giveWay);
  } catch {
    lab.missing.add('latency under churn without what the control plane takes: no chrt on PATH (Debian: util-linux)');
  }
}

/** The endpoints of other services in the client's scope move with each change. */
function updates(mesh: WeftMesh): () => Promise<void> {
  let count = 0;
  let over = false;
  const startMs = performance.now();
  const run = async (): Promise<void> => {
    while (!over) {
      count += 1;
      await mesh.post('/api/v1/config/apply', { yaml: endpointsOf(count), waitMs: 0 });
      const dueMs = startMs + (count * 1000) / CHANGES_PER_SECOND;
      await new Promise((done) => setTimeout(done, Math.max(0, dueMs - performance.now())));
    }
  };
  const running = run();
  // Seen when it is ended.
  running.catch(() => {});
  return async () => {
    over = true;
    await running;
    const perSecond = (count * 1000) / (performance.now() - startMs);
    if (perSecond < CHANGES_PER_SECOND * LEAST_PART)
      throw new Error(
        `the control plane took only ${perSecond.toFixed(1)} changes a second, not ${CHANGES_PER_SECOND}`,
      );
  };
}

const endpointsOf = (count: number): string =>
  Array.from(
    { length: SERVICES },
    (_, index) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: moving-${index}, namespace: default }
spec:
  hosts: [moving-${index}.example.com]
  ports: [{ number: 8000, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.${(count % 200) + 1} }, { address: 127.0.1.${(count % 100) + 1} }]
`,
  ).join('---\n');
