import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { RateLimitSchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import type { TokenBucket as BucketMessage } from '@weft/contracts/lean/envoy/type/v3/token_bucket';
import type { RuntimeFractionalPercent } from '@weft/contracts/lean/envoy/config/core/v3/base';
import {
  VhRateLimitsOptions,
  XRateLimitHeadersRFCVersion,
} from '@weft/contracts/lean/envoy/extensions/common/ratelimit/v3/ratelimit';
import {
  type LocalRateLimit,
  LocalRateLimitSchema,
} from '@weft/contracts/lean/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import {
  type CompiledRoute,
  compileMutations,
  compileRateLimits,
  ConfigRejectedError,
  entryText,
  fractionOf,
  type HeaderMutation,
  type PackedConfig,
  type RateLimitRule,
} from '@weft/evaluator';
import type { HeadView } from '../../../head/head-view.ts';
import { unpack } from '../../../runtime/any.ts';
import { millisOr } from '../../../runtime/durations.ts';
import { applyEdits, expand } from '../header-edits.ts';
import type {
  CompileDeps,
  FilterDeps,
  FilterStatus,
  FilterStream,
  HttpFilter,
  HttpFilterFactory,
} from '../http-filter.ts';
import { type BucketSettings, ownBucket, TokenBucket } from './token-bucket.ts';

const TOO_MANY_REQUESTS = 429;
const GRPC_RESOURCE_EXHAUSTED = 8;
const MIN_FILL_INTERVAL_MS = 50;

/** A bucket, or what each connection makes one of. */
interface Limit {
  readonly settings: BucketSettings;
  readonly bucket: TokenBucket;
}

export interface LocalRateLimitConfig {
  readonly statPrefix: string;
  /** 0–1 of requests. */
  readonly enabled: number;
  readonly enforced: number;
  readonly status: number;
  readonly limit: Limit | undefined;
  /** By the text of their entries. */
  readonly descriptors: ReadonlyMap<string, Limit>;
  /** The filter's own, which stand for those of routes. */
  readonly rules: readonly RateLimitRule[];
  readonly stage: number;
  readonly hostLimits: VhRateLimitsOptions;
  readonly alwaysTakeDefault: boolean;
  /** Buckets of single connections, where each has its own. */
  readonly perConnection: WeakMap<object, Map<Limit, TokenBucket>> | undefined;
  readonly requestEdits: readonly HeaderMutation[];
  readonly responseEdits: readonly HeaderMutation[];
  readonly tellsLimits: boolean;
  readonly resourceExhausted: boolean;
}

const share = (percent: RuntimeFractionalPercent | undefined): number =>
  percent === undefined ? 0 : fractionOf(percent.defaultValue);

function settingsOf(message: BucketMessage, place: string, resource: string): BucketSettings {
  const refuse = (what: string): never => {
    throw new ConfigRejectedError(resource, `local rate limit: ${place}${what}`);
  };
  const fillIntervalMs = millisOr(message.fillInterval, 0);
  const tokensPerFill = message.tokensPerFill ?? 1;
  const most = 0x7fff_ffff;
  if (message.maxTokens < 1 || message.maxTokens > most) return refuse(`max_tokens must be 1 to ${most}`);
  if (tokensPerFill < 1 || tokensPerFill > most) return refuse(`tokens_per_fill must be 1 to ${most}`);
  if (fillIntervalMs < MIN_FILL_INTERVAL_MS) return refuse(`fill_interval must be ${MIN_FILL_INTERVAL_MS} ms or more`);
  return { maxTokens: message.maxTokens, tokensPerFill, fillIntervalMs };
}

/** @param key of the place; buckets live as long as their place has the same settings. */
function compileConfig(
  message: LocalRateLimit,
  { buckets, timers, regex }: FilterDeps,
  resource: string,
  key: string,
): LocalRateLimitConfig {
  const refuse = (what: string): never => {
    throw new ConfigRejectedError(resource, `local rate limit: ${what}`);
  };
  if (message.statPrefix === '') return refuse('stat_prefix is empty');
  const enabled = share(message.filterEnabled);
  const limitOf = (bucket: BucketMessage, place: string): Limit => {
    const settings = settingsOf(bucket, place, resource);
    return { settings, bucket: buckets.of(`${key} ${place}`, settings, timers.now()) };
  };
  const descriptors = new Map<string, Limit>();
  message.descriptors.forEach(({ entries, tokenBucket }, i) => {
    const place = `descriptors[${i}]`;
    if (entries.length === 0 || tokenBucket === undefined) return refuse(`${place} needs entries and token_bucket`);
    const text = entries.map((entry) => entryText(entry.key, entry.value)).join('');
    if (entries.some((entry) => entry.key === '' || entry.value === ''))
      return refuse(`${place} has an entry without key or value`);
    if (descriptors.has(text)) return refuse(`${place} has the same entries as one before`);
    descriptors.set(text, limitOf(tokenBucket, `${place} `));
  });
  const edits = compileMutations(
    {
      requestHeadersToAdd: message.requestHeadersToAddWhenNotEnforced,
      requestHeadersToRemove: [],
      responseHeadersToAdd: message.responseHeadersToAdd,
      responseHeadersToRemove: [],
    },
    { resource, path: 'local_ratelimit' },
  );
  const status: number = message.status?.code ?? 0;
  if (message.stage > 10) return refuse(`stage ${message.stage} is above 10`);
  return {
    statPrefix: message.statPrefix,
    enabled,
    enforced: share(message.filterEnforced),
    status: status >= 400 ? status : TOO_MANY_REQUESTS,
    limit: message.tokenBucket === undefined ? undefined : limitOf(message.tokenBucket, ''),
    descriptors,
    rules: ownRules(message, regex, resource),
    stage: message.stage,
    hostLimits: message.vhRateLimits,
    alwaysTakeDefault: message.alwaysConsumeDefaultTokenBucket ?? true,
    perConnection: message.localRateLimitPerDownstreamConnection ? new WeakMap() : undefined,
    requestEdits: edits.request,
    responseEdits: edits.response,
    tellsLimits: message.enableXRatelimitHeaders === XRateLimitHeadersRFCVersion.DRAFT_VERSION_03,
    resourceExhausted: message.rateLimitedAsResourceExhausted,
  };
}

// Fields that are newer than the protos here: `rate_limits` is read, what would limit otherwise than it says is refused.
const LOCAL_CLUSTER_RATE_LIMIT = 16;
const RATE_LIMITS = 17;

function ownRules(message: LocalRateLimit, regex: FilterDeps['regex'], resource: string): RateLimitRule[] {
  const unknown = message.$unknown ?? [];
  if (unknown.some(({ no }) => no === LOCAL_CLUSTER_RATE_LIMIT))
    throw new ConfigRejectedError(resource, 'local rate limit: local_cluster_rate_limit is not supported');
  const limits = unknown
    .filter(({ no }) => no === RATE_LIMITS)
    .map(({ data }) => fromBinary(RateLimitSchema, new BinaryReader(data).bytes()));
  return compileRateLimits(limits, regex, { resource, path: 'local_ratelimit' });
}

/** Which of the route's and its virtual host's descriptors count. */
function rulesOf(
  route: CompiledRoute | undefined,
  { rules, stage, hostLimits }: LocalRateLimitConfig,
): RateLimitRule[] {
  if (rules.length > 0) return [...rules];
  if (route === undefined) return [];
  const { route: own, host, includeHost } = route.rateLimits;
  const withHost =
    hostLimits === VhRateLimitsOptions.INCLUDE ||
    includeHost ||
    (hostLimits === VhRateLimitsOptions.OVERRIDE && own.length === 0);
  return [...own, ...(withHost ? host : [])].filter((rule) => rule.stage === stage);
}

const tokensPerMs = ({ settings }: Limit): number => settings.tokensPerFill / settings.fillIntervalMs;

/** Lets as many requests pass as its token buckets have tokens for, all workers together. */
class LocalRateLimitFilter implements HttpFilter {
  readonly name = 'envoy.filters.http.local_ratelimit';
  readonly #config: LocalRateLimitConfig;
  readonly #rules: readonly RateLimitRule[];
  readonly #slot: number;
  readonly #deps: CompileDeps;
  readonly #counters: {
    readonly enabled: number;
    readonly ok: number;
    readonly over: number;
    readonly refused: number;
  };

  constructor(config: LocalRateLimitConfig, rules: readonly RateLimitRule[], slot: number, deps: CompileDeps) {
    this.#config = config;
    this.#rules = rules;
    this.#slot = slot;
    this.#deps = deps;
    const counter = (name: string): number => deps.stats.counter(`${config.statPrefix}.http_local_rate_limit.${name}`);
    this.#counters = {
      enabled: counter('enabled'),
      ok: counter('ok'),
      over: counter('rate_limited'),
      refused: counter('enforced'),
    };
  }

  onRequestHead(stream: FilterStream, head: HeadView): FilterStatus {
    const { enabled, enforced, requestEdits } = this.#config;
    if (!this.#drawn(enabled)) return 'continue';
    const { stats } = this.#deps;
    stats.add(this.#counters.enabled, 1);
    if (this.#allows(stream)) {
      stats.add(this.#counters.ok, 1);
      return 'continue';
    }
    stats.add(this.#counters.over, 1);
    if (!this.#drawn(enforced)) {
      if (requestEdits.length > 0) applyEdits(requestEdits, head, stream);
      return 'continue';
    }
    stats.add(this.#counters.refused, 1);
    this.#refuse(stream);
    return 'replied';
  }

  onResponseHead(stream: FilterStream, head: HeadView): FilterStatus {
    if (!this.#config.tellsLimits) return 'continue';
    const bucket = stream.slots[this.#slot];
    if (!(bucket instanceof TokenBucket)) return 'continue';
    head.set('x-ratelimit-limit', String(bucket.settings.maxTokens));
    head.set('x-ratelimit-remaining', String(bucket.remaining));
    head.set('x-ratelimit-reset', String(bucket.secondsToFill(this.#deps.timers.now())));
    return 'continue';
  }

  #refuse(stream: FilterStream): void {
    const { status, responseEdits, resourceExhausted } = this.#config;
    const grpc = resourceExhausted && stream.requestHeader('content-type')?.startsWith('application/grpc') === true;
    stream.reply('rate-limited', {
      status,
      headers: [
        ['x-envoy-ratelimited', 'true'],
        ...responseEdits.map(({ name, value, literal }) => [name, literal ?? expand(value, stream)] as const),
      ],
      ...(grpc ? { grpcStatus: GRPC_RESOURCE_EXHAUSTED } : {}),
    });
  }

  /** Takes from the buckets of the descriptors that match, the slowest first, then from the default one. */
  #allows(stream: FilterStream): boolean {
    const { limit, alwaysTakeDefault } = this.#config;
    const matching = this.#rules.length === 0 ? undefined : this.#matching(stream);
    const nowMs = this.#deps.timers.now();
    let shown: TokenBucket | undefined;
    for (const one of matching ?? []) {
      const bucket = this.#bucketOf(one, stream, nowMs);
      shown ??= bucket;
      if (bucket.take(nowMs)) continue;
      stream.slots[this.#slot] = bucket;
      return false;
    }
    let passes = true;
    if (limit !== undefined && (matching === undefined || alwaysTakeDefault)) {
      const bucket = this.#bucketOf(limit, stream, nowMs);
      passes = bucket.take(nowMs);
      if (!passes || shown === undefined) shown = bucket;
    }
    stream.slots[this.#slot] = shown;
    return passes;
  }

  #matching(stream: FilterStream): readonly Limit[] | undefined {
    let found: Limit[] | undefined;
    for (const rule of this.#rules) {
      const text = rule.describe(stream);
      const limit = text === undefined ? undefined : this.#config.descriptors.get(text);
      if (limit !== undefined && found?.includes(limit) !== true) (found ??= []).push(limit);
    }
    if (found !== undefined && found.length > 1) found.sort((a, b) => tokensPerMs(a) - tokensPerMs(b));
    return found;
  }

  #bucketOf(limit: Limit, { downstream }: FilterStream, nowMs: number): TokenBucket {
    const { perConnection } = this.#config;
    if (perConnection === undefined) return limit.bucket;
    let mine = perConnection.get(downstream.connection);
    if (mine === undefined) {
      mine = new Map();
      perConnection.set(downstream.connection, mine);
    }
    let bucket = mine.get(limit);
    if (bucket === undefined) {
      bucket = ownBucket(limit.settings, nowMs);
      mine.set(limit, bucket);
    }
    return bucket;
  }

  #drawn(fraction: number): boolean {
    return fraction >= 1 || (fraction > 0 && this.#deps.random.next() < fraction);
  }
}

const parseWith = (packed: PackedConfig, deps: FilterDeps, resource: string, key: string): LocalRateLimitConfig => {
  const message = unpack(packed, LocalRateLimitSchema, resource);
  if (message === undefined)
    throw new ConfigRejectedError(resource, `local rate limit filter: ${packed.typeUrl} is not its configuration`);
  return compileConfig(message, deps, resource, key);
};

export const localRateLimitFilter: HttpFilterFactory<LocalRateLimitConfig> = {
  typeName: LocalRateLimitSchema.typeName,
  routeTypeNames: [LocalRateLimitSchema.typeName],
  parse: (packed, deps, resource) => parseWith(packed, deps, resource, resource),
  parseRoute(packed, deps, resource, nth) {
    const config = parseWith(
      packed,
      deps,
      resource,
      `${resource} ${nth} ${Buffer.from(packed.value).toString('base64')}`,
    );
    if (config.limit === undefined && config.enabled > 0)
      throw new ConfigRejectedError(resource, 'local rate limit: token_bucket is not set');
    return config;
  },
  compile(config, routeConfig, slot, deps) {
    const effective = routeConfig ?? config;
    if (effective.enabled === 0 || (effective.limit === undefined && effective.descriptors.size === 0))
      return undefined;
    const rules = effective.descriptors.size === 0 ? [] : rulesOf(deps.route, effective);
    return new LocalRateLimitFilter(effective, rules, slot, deps);
  },
};
