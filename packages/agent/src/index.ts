/** A workload's keeper of key and certificate. */
export { createAgent, type Agent, type AgentOptions, type AgentState, type CaAddresses } from './agent.ts';
export type { AgentSecrets, SecretListener, SecretUpdate } from './keeper/secrets.ts';
export { handOver, type ChannelWriter } from './hand-over.ts';
export type { CertificateCall, CertificateRequester, Proof } from './ca-client/certificate-requester.ts';
export {
  envoyBootstrap,
  type EnvoyBootstrap,
  type EnvoyBootstrapOptions,
  type SocketAddress,
} from './envoy-bootstrap.ts';
export {
  createSecretServer,
  type SecretOrigin,
  type SecretServer,
  type SecretServerOptions,
} from './sds/secret-server.ts';
