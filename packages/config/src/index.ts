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
