export { createPilot, type Pilot, type PilotDeps, type ResourceSources } from './pilot.ts';
export {
  DEFAULT_MESH_OPTIONS,
  DEFAULT_PUSH_OPTIONS,
  DEFAULT_RETRY_ON,
  type DefaultRetryPolicy,
  type MeshOptions,
  type PushOptions,
} from './options.ts';
export { createMemoryRegistry, type MemoryRegistry } from './registries/memory.ts';
export { mergeRegistries } from './registries/merge.ts';
export { EMPTY_REGISTRY, type ServiceRegistry } from './registries/service-registry.ts';
export { mixerProblems } from './mixer/denials.ts';
export { proxyProblems, proxySettingsOf } from './snapshot/proxy-settings.ts';
export type { Receipt } from './push/receipt.ts';
export type { ProxyStatus, TypeStatus, Nack } from './ads/proxy-status.ts';
export type { MeshSnapshot } from './snapshot/mesh-snapshot.ts';
export { refPath, type SourceRef } from './config-store/config-object.ts';
export type { Endpoint, Service, ServicePort } from './model/service.ts';
export type { ResourceKind } from './generators/resource.ts';
export type { RegistryRow, SyncRow } from './debug/debug-data.ts';
export { createFileRegistry, parseRegistry, type FileRegistryDeps } from './registries/file.ts';
export { monitoringPage, type Page } from './debug/monitoring.ts';
