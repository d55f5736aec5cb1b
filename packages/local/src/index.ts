export type {
  Admission,
  AgentFactory,
  AgentSecrets,
  MeshLink,
  PodPlan,
  PortSpec,
  WorkloadAgent,
  WorkloadSpec,
} from './mesh-link.ts';
export { listenSocketsOf, type ListenSocket, type ListenSockets } from './listen-socket.ts';
export { loadLibc, type Libc, type LibcLoad } from './libc.ts';
export { noNativeCalls } from './no-native-calls.ts';
export {
  createStateDir,
  lockStateDir,
  readOrCreateToken,
  refuseSecondMesh,
  runningSupervisor,
  stateDirAt,
  type StateDir,
  type StateLock,
} from './state-dir.ts';
export { startSupervisor, type Supervisor, type SupervisorOptions } from './supervisor.ts';
export type { MeshPorts } from './mesh-ports.ts';
export { dnsSocketOf, readMeshFile, type MeshFile, type MeshInterception } from './mesh-file.ts';
export { isProgram } from './application.ts';
export { createPlaces } from './places.ts';
export type { CommandLine } from './workload-place.ts';
export { HOST_ADDRESS, HOST_NAME } from './isolated/address-plan.ts';
export { serveDnsRelay } from './isolated/dns-relay.ts';
export { createDestinationOf, serveEgress } from './isolated/egress-relay.ts';
export { asUserCommand, enterCommand, unshareCommand } from './isolated/enter.ts';
export { openHostSockets } from './isolated/host-sockets.ts';
export { setUpHub, type HostSocket, type HubOptions } from './isolated/hub.ts';
export { checkThisMachine, type IsolationCheck } from './isolated/isolation-check.ts';
export { runWorkload, type RunnerOptions, type RunningWorkload } from './workload-runner.ts';
export type { RestartRequest, RestartResult } from './restarts.ts';
export { createRemoteLink, type RemoteLink } from './remote-link.ts';
export { watchRegistry, type RegistryClient } from './registry-client.ts';
export { serviceOf } from './admission.ts';
export { startReaper, type Reaper } from './reaper.ts';
export { notRunning, callUnix } from './unix-client.ts';
export { pickPort, tryPort } from './port-picker.ts';
export { TOKEN_AUDIENCE, TOKEN_ISSUER } from './tokens.ts';
export type { Probe } from './probe.ts';
export { appEnvironment, callableServices, type AppPlace } from './app-environment.ts';
export { certificateFacts } from './certificate-facts.ts';
export { proxyNode, type ProxyNode } from './proxy-node.ts';
export { watchHealth, type HealthTarget, type HealthWatch } from './health-watch.ts';
