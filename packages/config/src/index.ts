export {
  CODES,
  formatProblem,
  isError,
  sortProblems,
  type Problem,
  type ProblemCode,
  type Severity,
} from './problems.ts';
export type {
  ApplyItem,
  ApplyResult,
  ConfigChange,
  ConfigEvent,
  ConfigStore,
  FileStatus,
  StoreStatus,
  WritableConfigStore,
} from './store/config-store.ts';
export { createMemoryStore, type MemoryStoreDeps } from './store/memory-store.ts';
export { parseConfig, type ParsedObject, type ParseOptions, type ParseResult } from './parse-config.ts';
export { DEFAULT_READ_LIMITS, type ReadLimits } from './source/limits.ts';
export { durationMs } from './validate/duration.ts';
export { covers, overlaps, qualifiedHost } from './validate/hosts.ts';
export {
  createDirectoryStore,
  type DirectoryStore,
  type DirectoryStoreDeps,
  type DirectoryTiming,
} from './store/directory/directory-store.ts';
export { toPlain, toPlainWithStatus, toYaml, yamlText } from './emit/to-yaml.ts';
export { analyze, type AnalyzeOptions } from './analyze/analyze.ts';
export { UNKNOWN_WORLD, type World, type WorldService, type WorldWorkload } from './analyze/world.ts';
export { configJsonSchema, kindJsonSchema, type JsonSchema } from './emit/json-schema.ts';
export type { Path, PathSegment, Position } from './source/locate.ts';
export { textHere, type ConfigText } from './text/config-text.ts';
export { createTextThread, type TextThread, type TextThreadOptions } from './text/text-thread.ts';
export { nearest } from './validate/names.ts';
