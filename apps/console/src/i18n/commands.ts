/**
 * The command that gives the same as each screen. Where `weft` has no word for it, the API itself is asked: reading on this
 * machine needs no token.
 */
const ask = (path: string): string => `curl -s ${globalThis.location.origin}/api/v1${path}`;

export const commands = {
  overview: () => 'weft status',
  traffic: () => ask('/graph'),
  services: () => ask('/services'),
  service: (namespace: string, name: string) => ask(`/services/${namespace}/${name}`),
  workloads: () => 'weft status',
  workload: (namespace: string, name: string) => ask(`/workloads/${namespace}/${name}`),
  traces: () => ask('/traces'),
  trace: (id: string) => ask(`/traces/${id}`),
  config: () => 'weft get all',
  document: (kind: string, namespace: string, name: string) =>
    `weft get ${kind.toLowerCase()} ${name} -n ${namespace} -o yaml`,
  mesh: () => 'weft status',
  demo: () => 'weft demo --traffic',
  run: () => 'weft run --service hello --version v1 --port 9080 -- node server.js',
  apply: () => 'weft apply -f my-route.yaml',
  dashboard: () => 'weft dashboard',
  status: () => 'weft status',
};
