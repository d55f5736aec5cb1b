export type {
  Admission,
  AgentFactory,
  AgentSecrets,
  MeshLink,
  PortSpec,
  WorkloadAgent,
  WorkloadSpec,
} from './mesh-link.ts';
export { createListenSockets, type ListenSocket, type ListenSockets } from './listen-socket.ts';
export { openMessageChannel, type MessageChannel } from './message-channel.ts';
export {
  createStateDir,
  lockStateDir,
  readOrCreateToken,
  runningSupervisor,
  stateDirAt,
  type StateDir,
  type StateLock,
} from './state-dir.ts';
export { startSupervisor, type MeshPorts, type Supervisor, type SupervisorOptions } from './supervisor.ts';
export { runWorkload, type RunnerOptions, type RunningWorkload } from './workload-runner.ts';
export { createRemoteLink, type RemoteLink } from './remote-link.ts';
export { watchRegistry, type RegistryClient } from './registry-client.ts';
export { serviceOf } from './admission.ts';
export { startReaper, type Reaper } from './reaper.ts';
export { callUnix } from './unix-client.ts';
export { pickPort, tryPort } from './port-picker.ts';
export { TOKEN_AUDIENCE, TOKEN_ISSUER } from './tokens.ts';
export type { Probe } from './probe.ts';
export { appEnvironment, type AppPlace } from './app-environment.ts';
export { certificateFacts } from './certificate-facts.ts';
export { proxyNode, type ProxyNode } from './proxy-node.ts';
export { watchHealth, type HealthTarget, type HealthWatch } from './health-watch.ts';
