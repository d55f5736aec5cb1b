import { HTTPFaultSchema, type HTTPFault } from '@weft/contracts/lean/envoy/extensions/filters/http/fault/v3/fault';
import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
} from '@weft/contracts/lean/envoy/type/v3/percent';
import { compileHeaderMatcher, ConfigRejectedError, type PackedConfig, type RequestTest } from '@weft/evaluator';
import { unpack } from '../../../runtime/any.ts';
import { millisOr } from '../../../runtime/durations.ts';
import { takeBelow } from '../../../shared/take-below.ts';
import { flagBit } from '../../../response-flags.ts';
import { Deadline } from '../../../timers/timer-queue.ts';
import type {
  CompileDeps,
  FilterDeps,
  FilterStatus,
  FilterStream,
  HttpFilter,
  HttpFilterFactory,
} from '../http-filter.ts';

const DENOMINATORS: Readonly<Record<Denominator, number>> = {
  [Denominator.HUNDRED]: 100,
  [Denominator.TEN_THOUSAND]: 10_000,
  [Denominator.MILLION]: 1_000_000,
};

/** Part of the requests: so many parts of so many. */
interface Share {
  readonly parts: number;
  readonly of: number;
}

/** What to inject into which share of the requests that match. */
export interface FaultConfig {
  /** 0 = no delay but what `delayByHeader` says. */
  readonly delayMs: number;
  readonly delayByHeader: boolean;
  readonly delayShare: Share;
  /** 0 = no abort but what `abortByHeader` says. */
  readonly abortStatus: number;
  readonly abortGrpcStatus: number | undefined;
  readonly abortByHeader: boolean;
  readonly abortShare: Share;
  /** All must hold. */
  readonly headers: readonly RequestTest[];
  readonly upstreamCluster: string;
  /** Of the caller, as it says itself; empty = any. */
  readonly downstreamNodes: readonly string[];
  readonly maxActive: number;
  /** Faults that are being injected now, by all workers. */
  readonly active: Int32Array;
  /** Those of this thread. */
  readonly own: { active: number };
}

const NONE: Share = { parts: 0, of: 100 };

const share = (percentage: FractionalPercent | undefined): Share =>
  percentage === undefined ? NONE : { parts: percentage.numerator, of: DENOMINATORS[percentage.denominator] ?? 100 };

function parse(packed: PackedConfig, deps: FilterDeps, resource: string): FaultConfig {
  const fault: HTTPFault | undefined = unpack(packed, HTTPFaultSchema, resource);
  if (fault === undefined)
    throw new ConfigRejectedError(resource, `fault filter: ${packed.typeUrl} is not its configuration`);
  const { delay, abort } = fault;
  const secifier = delay?.faultDelaySecifier;
  if (delay !== undefined && secifier?.case === undefined)
    throw new ConfigRejectedError(resource, 'fault delay: neither fixed_delay nor header_delay is set');
  const errorType = abort?.errorType;
  if (abort !== undefined && errorType?.case === undefined)
    throw new ConfigRejectedError(resource, 'fault abort: http_status is not set');
  if (errorType?.case === 'httpStatus' && !isFinalStatus(errorType.value)) {
    throw new ConfigRejectedError(resource, `fault abort: ${errorType.value} is not a final HTTP status`);
  }
  return {
    delayMs: secifier?.case === 'fixedDelay' ? millisOr(secifier.value, 0) : 0,
    delayByHeader: secifier?.case === 'headerDelay',
    delayShare: share(delay?.percentage),
    abortStatus: errorType?.case === 'httpStatus' ? errorType.value : errorType?.case === 'grpcStatus' ? 200 : 0,
    abortGrpcStatus: errorType?.case === 'grpcStatus' ? errorType.value : undefined,
    abortByHeader: errorType?.case === 'headerAbort',
    abortShare: share(abort?.percentage),
    headers: fault.headers.map((matcher, i) =>
      compileHeaderMatcher(matcher, deps.regex, { resource, path: `headers[${i}]` }),
    ),
    upstreamCluster: fault.upstreamCluster,
    downstreamNodes: fault.downstreamNodes,
    maxActive: fault.maxActiveFaults ?? Infinity,
    active: deps.shared.open(`fault ${resource} ${Buffer.from(packed.value).toString('base64')}`, 1),
    own: { active: 0 },
  };
}

const isFinalStatus = (status: number): boolean => status >= 200 && status <= 599;
const GRPC_STATUSES = 17;
const MAX_DELAY_MS = 0x7fff_ffff;

/** A number in a header, when it is one and not above `most`. */
function numberIn(stream: FilterStream, name: string, most: number): number | undefined {
  const text = stream.requestHeader(name);
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= most ? value : undefined;
}

interface Counters {
  readonly delays: number;
  readonly aborts: number;
  readonly overflow: number;
  readonly active: number;
}

/** What one request has been through. */
interface Injection {
  readonly wait: Deadline | undefined;
}

/** Delays and aborts a share of the requests, as if the service behind had done so. */
class FaultFilter implements HttpFilter {
  readonly name = 'envoy.filters.http.fault';
  readonly #config: FaultConfig;
  readonly #slot: number;
  readonly #deps: CompileDeps;
  readonly #counters: Counters;

  constructor(config: FaultConfig, slot: number, deps: CompileDeps) {
    this.#config = config;
    this.#slot = slot;
    this.#deps = deps;
    const { stats } = deps;
    const name = (what: string): string => `http.${deps.statPrefix}.fault.${what}`;
    this.#counters = {
      delays: stats.counter(name('delays_injected')),
      aborts: stats.counter(name('aborts_injected')),
      overflow: stats.counter(name('faults_overflow')),
      active: stats.gauge(name('active_faults')),
    };
  }

  onRequestHead(stream: FilterStream): FilterStatus {
    if (!this.#matches(stream)) return 'continue';
    const delayMs = this.#delayMs(stream);
    if (delayMs === 0) return this.#abort(stream);
    if (!this.#begin(stream, new Deadline({ onDeadline: () => this.#afterDelay(stream) }, 0))) return 'continue';
    stream.record.flags |= flagBit('DI');
    this.#deps.stats.add(this.#counters.delays, 1);
    const injection = stream.slots[this.#slot] as Injection;
    if (injection.wait !== undefined) this.#deps.timers.arm(injection.wait, delayMs);
    return 'pending';
  }

  onDestroy(stream: FilterStream): void {
    const injection = stream.slots[this.#slot] as Injection | undefined;
    if (injection === undefined) return;
    if (injection.wait !== undefined) this.#deps.timers.cancel(injection.wait);
    const { active, own } = this.#config;
    Atomics.sub(active, 0, 1);
    own.active -= 1;
    this.#deps.stats.set(this.#counters.active, own.active);
  }

  #matches(stream: FilterStream): boolean {
    const { upstreamCluster, headers, downstreamNodes } = this.#config;
    if (upstreamCluster !== '' && upstreamCluster !== stream.clusterName) return false;
    for (const test of headers) if (!test(stream)) return false;
    if (downstreamNodes.length === 0) return true;
    return downstreamNodes.includes(stream.requestHeader('x-envoy-downstream-service-node') ?? '');
  }

  /** 0 = none. */
  #delayMs(stream: FilterStream): number {
    const { delayMs, delayByHeader, delayShare } = this.#config;
    const wanted = delayByHeader ? numberIn(stream, 'x-envoy-fault-delay-request', MAX_DELAY_MS) : delayMs;
    if (wanted === undefined || wanted === 0) return 0;
    return this.#drawn(stream, delayShare, delayByHeader, 'x-envoy-fault-delay-request-percentage') ? wanted : 0;
  }

  #afterDelay(stream: FilterStream): void {
    if (this.#abort(stream) === 'continue') stream.resume();
  }

  #abort(stream: FilterStream): FilterStatus {
    const { abortStatus, abortGrpcStatus, abortByHeader, abortShare } = this.#config;
    let [status, grpcStatus]: readonly [number | undefined, number | undefined] = [abortStatus, abortGrpcStatus];
    if (abortByHeader) {
      grpcStatus = numberIn(stream, 'x-envoy-fault-abort-grpc-request', GRPC_STATUSES - 1);
      status = numberIn(stream, 'x-envoy-fault-abort-request', 599);
      if (status !== undefined && !isFinalStatus(status)) status = undefined;
    }
    if ((status ?? 0) === 0 && grpcStatus === undefined) return 'continue';
    if (!this.#drawn(stream, abortShare, abortByHeader, 'x-envoy-fault-abort-request-percentage')) return 'continue';
    if (stream.slots[this.#slot] === undefined && !this.#begin(stream, undefined)) return 'continue';
    this.#deps.stats.add(this.#counters.aborts, 1);
    // Where both are asked for, HTTP counts.
    stream.reply(
      'fault-abort',
      grpcStatus === undefined || (abortByHeader && status !== undefined)
        ? { status: status ?? 0 }
        : { status: 200, grpcStatus },
    );
    return 'replied';
  }

  /** @returns false when as many faults as may be are being injected already. */
  #begin(stream: FilterStream, wait: Deadline | undefined): boolean {
    const { active, own, maxActive } = this.#config;
    if (takeBelow(active, 0, maxActive) < 0) {
      this.#deps.stats.add(this.#counters.overflow, 1);
      return false;
    }
    own.active += 1;
    this.#deps.stats.set(this.#counters.active, own.active);
    const injection: Injection = { wait };
    stream.slots[this.#slot] = injection;
    return true;
  }

  /** A header may ask for less than the configuration, never for more. */
  #drawn(stream: FilterStream, { parts, of }: Share, byHeader: boolean, header: string): boolean {
    const asked = byHeader ? (numberIn(stream, header, of) ?? parts) : parts;
    const least = Math.min(parts, asked);
    return least >= of || (least > 0 && this.#deps.random.int(of) < least);
  }
}

const doesSomething = ({ delayMs, delayByHeader, abortStatus, abortByHeader }: FaultConfig): boolean =>
  delayMs > 0 || delayByHeader || abortStatus > 0 || abortByHeader;

export const faultFilter: HttpFilterFactory<FaultConfig> = {
  typeName: HTTPFaultSchema.typeName,
  parse,
  compile(config, routeConfig, slot, deps) {
    const effective = routeConfig ?? config;
    return doesSomething(effective) ? new FaultFilter(effective, slot, deps) : undefined;
  },
};
