export { createConsoleApi, type ConsoleApi, type ConsoleApiDeps, type InjectedResponse } from './console-api.ts';
export { ApiError, type ApiErrorOptions } from './errors.ts';
export { DEFAULT_OPTIONS, type ConsoleApiOptions } from './options.ts';
export type {
  CertificateRecord,
  CertificateSource,
  ConfigOutcome,
  ConfigSource,
  ConsoleSources,
  MeshInfo,
  MeshSource,
  ProxyRecord,
  ProxySource,
  RegistrySource,
  ServiceRecord,
  Subscribe,
  TelemetrySource,
} from './ports.ts';
export { createBearerCheck, type BearerCheck, type BearerVerdict } from './session/bearer.ts';
