export { DEFAULT_OPTIONS, type TelemetryOptions } from './options.ts';
export { MIXER_KINDS, type MixerConfigSource, type MixerKind, type MixerObject } from './rules/config-source.ts';
export type { RuleProblem } from './rules/problem.ts';
export type { GrpcService } from './server/grpc.ts';
export { createTelemetry, type Telemetry, type TelemetryDeps } from './telemetry.ts';
