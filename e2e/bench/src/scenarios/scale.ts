/** B7: what a request costs when the configuration is large; Weft against itself. */
import type { Lab } from '../lab/lab.ts';
import { startMesh } from '../lab/weft-mesh.ts';
import type { Contender } from '../measure.ts';
import type { Case, Goal, Scenario } from '../scenario.ts';
import { KB } from './bodies.ts';
import { pairContender } from './sidecar-pair.ts';

const ROUTES = [10, 1_000, 10_000];
const CLUSTERS = [10, 1_000];
const work = { http1: { connections: 32, requestBytes: 0, responseBytes: KB } };

export const routes: Scenario = {
  id: 'B7',
  title: 'Cost and memory by the size of the configuration',
  loads: 5,
  startSeconds: 120,
  async stage(lab) {
    const byRoutes = await all(lab, ROUTES, 'routes', (count) => virtualService(count));
    const byClusters = await all(lab, CLUSTERS, 'clusters', (count) => serviceEntries(count));
    const [few = '', many = ''] = byClusters.contenders.map(({ name }) => name);
    return [
      { title: "routes of one service; the last one matches; the client's sidecar", ...byRoutes, work },
      {
        title: 'clusters in scope of the client; its sidecar',
        ...byClusters,
        work,
        memoryOf: [few, many],
        memoryGoals: [
          { of: few, most: 80 },
          { of: many, against: few, most: 1.3 },
        ],
      },
    ];
  },
};

async function all(
  lab: Lab,
  counts: readonly number[],
  what: string,
  config: (count: number) => string,
): Promise<Pick<Case, 'contenders' | 'goals'>> {
  const contenders: Contender[] = [];
  for (const count of counts) {
    lab.say(`  starting a mesh with ${count} ${what}`);
    const mesh = await startMesh(lab, `weft-${count}-${what}`);
    await mesh.run('backend', lab.backendProgram());
    await mesh.run('client', lab.backendProgram());
    mesh.apply(config(count));
    contenders.push(await pairContender(mesh, `${count} ${what}`, ['client']));
  }
  const [first, ...rest] = contenders.map(({ name }) => name);
  const goals: Goal[] =
    first === undefined ? [] : rest.map((name) => ({ figure: 'usPerRequest', of: name, against: first, most: 1.1 }));
  return { contenders, goals };
}

/** Exact paths that nobody calls, then one for all. */
const virtualService = (count: number): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: backend, namespace: default }
spec:
  hosts: [backend]
  http:
${Array.from({ length: count - 1 }, (_, index) => `    - { match: [{ uri: { exact: /no-such/${index} } }], route: [{ destination: { host: backend } }] }`).join('\n')}
    - { route: [{ destination: { host: backend } }] }
`;

const serviceEntries = (count: number): string =>
  Array.from(
    { length: count },
    (_, index) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: elsewhere-${index}, namespace: default }
spec:
  hosts: [elsewhere-${index}.example.com]
  ports: [{ number: 8000, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1 }]
`,
  ).join('---\n');
