// What compiling resources needs of a process, put together: the same for the data path and for who only judges resources.
import { ConfigRejectedError, createRegexEngine } from '@weft/evaluator';
import { type Clock, errorMessage, type Random } from '@weft/kit';
import type { FilterDeps } from '../filters/http/http-filter.ts';
import { TokenBuckets } from '../filters/http/local-rate-limit/token-bucket.ts';
import type { AccessLogs, StatsSink } from '../ports.ts';
import type { SharedCells } from '../shared/shared-cells.ts';
import type { TellOriginalDestination } from '../sockets/native-sockets.ts';
import type { TimerQueue } from '../timers/timer-queue.ts';
import type { LiveSecrets } from '../tls/tls-material.ts';
import type { ListenerDeps } from './http-connection-manager.ts';
import { createRuntime, type Runtime } from './runtime.ts';

export interface CompilerDeps {
  readonly clock: Clock;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly stats: StatsSink;
  readonly shared: SharedCells;
  readonly secrets: LiveSecrets;
  readonly accessLogs: AccessLogs | undefined;
  readonly hasAddress: (address: string) => boolean;
  /** Called once, when a listener wants original destinations; without it such a listener is refused. @throws {WeftError} where they can not be told. */
  readonly loadOriginalDestinations: (() => TellOriginalDestination) | undefined;
}

export interface Compiler {
  readonly runtime: Runtime;
  readonly filters: FilterDeps;
  /** undefined as long as no listener asks for it. */
  readonly originalOf: TellOriginalDestination;
}

export function createCompiler(deps: CompilerDeps): Compiler {
  const { clock, timers, random, stats, shared, secrets, accessLogs, hasAddress } = deps;
  const regex = createRegexEngine();
  let tellOriginal: TellOriginalDestination | undefined;
  const filters: FilterDeps = { clock, timers, random, regex, stats, shared, buckets: new TokenBuckets(shared) };
  const listeners: ListenerDeps = {
    ...filters,
    accessLogs,
    hasAddress,
    needOriginalDestinations(resource) {
      try {
        tellOriginal ??= deps.loadOriginalDestinations?.();
      } catch (error) {
        throw new ConfigRejectedError(resource, `original destinations: ${errorMessage(error)}`);
      }
      if (tellOriginal === undefined)
        throw new ConfigRejectedError(resource, 'original destinations can not be told here');
    },
  };
  return {
    runtime: createRuntime({ filters, listeners, clusters: { secrets, regex } }),
    filters,
    originalOf: (socket) => tellOriginal?.(socket),
  };
}
