/** The command that gives the same as each screen. */
export const commands = {
  overview: () => 'weft status',
  traffic: () => 'weft get graph',
  services: () => 'weft get services',
  service: (namespace: string, name: string) => `weft get service ${name} -n ${namespace}`,
  workloads: () => 'weft get workloads',
  workload: (namespace: string, name: string) => `weft get workload ${name} -n ${namespace}`,
  logs: (name: string) => `weft logs ${name}`,
  traces: () => 'weft get traces',
  trace: (id: string) => `weft get trace ${id}`,
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
