import { FaultDelaySchema } from '@weft/contracts/lean/envoy/extensions/filters/common/fault/v3/fault';
import { HTTPFaultSchema, type HTTPFault } from '@weft/contracts/lean/envoy/extensions/filters/http/fault/v3/fault';
import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
} from '@weft/contracts/lean/envoy/type/v3/percent';
import { compileHeaderMatcher, ConfigRejectedError, type PackedConfig, type RequestTest } from '@weft/evaluator';
import { unpack } from '../../../runtime/any.ts';
import { millisOr } from '../../../runtime/durations.ts';
import { flagBit } from '../../../response-flags.ts';
import { Deadline } from '../../../timers/timer-queue.ts';
import type { FilterDeps, FilterStatus, FilterStream, HttpFilter, HttpFilterFactory } from '../http-filter.ts';

const MILLION = 1_000_000;
const DENOMINATORS: Readonly<Record<Denominator, number>> = {
  [Denominator.HUNDRED]: 100,
  [Denominator.TEN_THOUSAND]: 10_000,
  [Denominator.MILLION]: MILLION,
};

/** What to inject into which share of the requests that match. Shares in parts per million. */
export interface FaultConfig {
  readonly delayMs: number;
  readonly delayShare: number;
  /** 0 = no abort. */
  readonly abortStatus: number;
  readonly abortGrpcStatus: number | undefined;
  readonly abortShare: number;
  /** All must hold. */
  readonly headers: readonly RequestTest[];
  readonly upstreamCluster: string;
}

function share(percentage: FractionalPercent | undefined): number {
  if (percentage === undefined) return 0;
  return (percentage.numerator * MILLION) / (DENOMINATORS[percentage.denominator] ?? 100);
}

function parse(packed: PackedConfig, deps: FilterDeps, resource: string): FaultConfig {
  const fault: HTTPFault | undefined = unpack(packed, HTTPFaultSchema, resource);
  if (fault === undefined)
    throw new ConfigRejectedError(resource, `fault filter: ${packed.typeUrl} is not its configuration`);
  const { delay, abort } = fault;
  const secifier = delay?.faultDelaySecifier;
  if (delay !== undefined && secifier?.case !== 'fixedDelay') {
    throw new ConfigRejectedError(resource, `${FaultDelaySchema.typeName}: only fixed_delay is supported`);
  }
  const errorType = abort?.errorType;
  if (abort !== undefined && errorType?.case === undefined)
    throw new ConfigRejectedError(resource, 'fault abort: http_status is not set');
  if (errorType?.case === 'httpStatus' && (errorType.value < 200 || errorType.value > 599)) {
    throw new ConfigRejectedError(resource, `fault abort: ${errorType.value} is not a final HTTP status`);
  }
  return {
    delayMs: secifier?.case === 'fixedDelay' ? millisOr(secifier.value, 0) : 0,
    delayShare: share(delay?.percentage),
    abortStatus: errorType?.case === 'httpStatus' ? errorType.value : errorType?.case === 'grpcStatus' ? 200 : 0,
    abortGrpcStatus: errorType?.case === 'grpcStatus' ? errorType.value : undefined,
    abortShare: share(abort?.percentage),
    headers: fault.headers.map((matcher, i) =>
      compileHeaderMatcher(matcher, deps.regex, { resource, path: `headers[${i}]` }),
    ),
    upstreamCluster: fault.upstreamCluster,
  };
}

/** Delays and aborts a share of the requests, as if the service behind had done so. */
class FaultFilter implements HttpFilter {
  readonly name = 'envoy.filters.http.fault';
  readonly #config: FaultConfig;
  readonly #slot: number;
  readonly #deps: FilterDeps;

  constructor(config: FaultConfig, slot: number, deps: FilterDeps) {
    this.#config = config;
    this.#slot = slot;
    this.#deps = deps;
  }

  onRequestHead(stream: FilterStream): FilterStatus {
    const { upstreamCluster, headers, delayMs } = this.#config;
    if (upstreamCluster !== '' && upstreamCluster !== stream.clusterName) return 'continue';
    for (const test of headers) if (!test(stream)) return 'continue';
    if (delayMs > 0 && this.#drawn(this.#config.delayShare)) {
      stream.record.flags |= flagBit('DI');
      const wait = new Deadline({ onDeadline: () => this.#afterDelay(stream) }, 0);
      stream.slots[this.#slot] = wait;
      this.#deps.timers.arm(wait, delayMs);
      return 'pending';
    }
    return this.#abort(stream);
  }

  onDestroy(stream: FilterStream): void {
    const wait = stream.slots[this.#slot];
    if (wait instanceof Deadline) this.#deps.timers.cancel(wait);
  }

  #afterDelay(stream: FilterStream): void {
    if (this.#abort(stream) === 'continue') stream.resume();
  }

  #abort(stream: FilterStream): FilterStatus {
    const { abortStatus, abortGrpcStatus, abortShare } = this.#config;
    if (abortStatus === 0 || !this.#drawn(abortShare)) return 'continue';
    stream.reply(
      'fault-abort',
      abortGrpcStatus === undefined ? { status: abortStatus } : { status: 200, grpcStatus: abortGrpcStatus },
    );
    return 'replied';
  }

  #drawn(partsPerMillion: number): boolean {
    return partsPerMillion >= MILLION || this.#deps.random.int(MILLION) < partsPerMillion;
  }
}

export const faultFilter: HttpFilterFactory<FaultConfig> = {
  typeName: HTTPFaultSchema.typeName,
  parse,
  compile(config, routeConfig, slot, deps) {
    const effective = routeConfig ?? config;
    return effective.delayMs > 0 || effective.abortStatus > 0 ? new FaultFilter(effective, slot, deps) : undefined;
  },
};
