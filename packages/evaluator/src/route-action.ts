import {
  RedirectAction_RedirectResponseCode as RedirectCode,
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type DirectResponseAction,
  type RedirectAction as RedirectMessage,
  type RouteAction as RouteActionMessage,
  type RouteAction_HashPolicy as HashPolicyMessage,
  type RouteAction_RequestMirrorPolicy as MirrorMessage,
} from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { millis } from './durations.ts';
import type { CompiledRegex, RegexEngine } from './regex.ts';
import { at, type Place, reject } from './rejected.ts';
import type { RateLimitRule } from './rate-limits.ts';
import { compileRetryPolicy, type RetryPolicy } from './retry-policy.ts';
import { fractionOf } from './route-match.ts';
import { compileRegex } from './string-matcher.ts';

export type HashPolicy = { readonly terminal: boolean } & (
  | { readonly kind: 'header'; readonly name: string }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      /** Given: a client without the cookie is given one; 0 = for its session. */
      readonly ttlMs: number | undefined;
      readonly path: string;
      readonly attributes: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: 'source-ip' }
  | { readonly kind: 'query-parameter'; readonly name: string }
);

export interface MirrorPolicy {
  /** Empty when it stands in a header. */
  readonly cluster: string;
  /** Lower-case name of the header that names the cluster; empty when `cluster` is meant. */
  readonly clusterHeader: string;
  /** 0–1. */
  readonly fraction: number;
  /** undefined keeps the verdict of the request. */
  readonly traceSampled: boolean | undefined;
  /** The host gains `-shadow`, so that the mirror's logs can tell copies from requests. */
  readonly marksHost: boolean;
}

export interface RegexRewrite {
  readonly pattern: CompiledRegex;
  readonly substitution: string;
}

/** Send the request on. Which cluster is in the RouteMatch, since weights choose among several. */
export interface ForwardAction {
  readonly kind: 'forward';
  /** From the end of the request to the end of the response, retries included; 0 = none. Envoy's default is 15 s. */
  readonly timeoutMs: number;
  /** Overrides the listener's stream idle timeout; 0 = none. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDurationMs: number | undefined;
  /** Cap for the caller's `grpc-timeout`, when that is to be honoured; 0 = no cap. */
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly retry: RetryPolicy | undefined;
  readonly prefixRewrite: string;
  readonly regexRewrite: RegexRewrite | undefined;
  readonly autoHostRewrite: boolean;
  readonly appendForwardedHost: boolean;
  readonly hashPolicies: readonly HashPolicy[];
  readonly mirrors: readonly MirrorPolicy[];
  /** Lower-case upgrade types and whether they are allowed here. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  /** Tunnels that clients ask for end here: TCP goes to the cluster. undefined = they are passed on as requests. */
  readonly terminates: { readonly post: boolean } | undefined;
  readonly clusterNotFoundStatus: 503 | 404 | 500;
}

export interface RedirectAction {
  readonly kind: 'redirect';
  readonly status: 301 | 302 | 303 | 307 | 308;
  /** Empty keeps the request's own. */
  readonly scheme: string;
  readonly host: string;
  /** 0 keeps the request's own. */
  readonly port: number;
  /** Whole new path, may hold a query. */
  readonly path: string | undefined;
  readonly prefixRewrite: string | undefined;
  readonly regexRewrite: RegexRewrite | undefined;
  readonly stripQuery: boolean;
}

export interface DirectResponse {
  readonly kind: 'direct-response';
  readonly status: number;
  readonly body: Uint8Array;
}

export type RouteDecision = ForwardAction | RedirectAction | DirectResponse;

const DEFAULT_TIMEOUT_MS = 15_000;
const NOT_FOUND_STATUS: Readonly<Record<NotFoundCode, 503 | 404 | 500>> = {
  [NotFoundCode.SERVICE_UNAVAILABLE]: 503,
  [NotFoundCode.NOT_FOUND]: 404,
  [NotFoundCode.INTERNAL_SERVER_ERROR]: 500,
};
const REDIRECT_STATUS: Readonly<Partial<Record<RedirectCode, RedirectAction['status']>>> = {
  [RedirectCode.MOVED_PERMANENTLY]: 301,
  [RedirectCode.FOUND]: 302,
  [RedirectCode.SEE_OTHER]: 303,
  [RedirectCode.TEMPORARY_REDIRECT]: 307,
  [RedirectCode.PERMANENT_REDIRECT]: 308,
};

/** What a virtual host gives to those of its routes that do not say themselves. */
export interface HostDefaults {
  readonly retry: RetryPolicy | undefined;
  readonly mirrors: readonly MirrorPolicy[];
  readonly rateLimits: readonly RateLimitRule[];
}

export function compileForward(
  action: RouteActionMessage,
  defaults: HostDefaults,
  regex: RegexEngine,
  place: Place,
): ForwardAction {
  if (action.prefixRewrite !== '' && action.regexRewrite !== undefined) {
    return reject(place, 'prefix_rewrite and regex_rewrite can not both be set');
  }
  checkTarget(action.prefixRewrite, at(place, 'prefix_rewrite'));
  const timeoutMs = millis(action.timeout) ?? DEFAULT_TIMEOUT_MS;
  if (timeoutMs < 0) return reject(at(place, 'timeout'), 'must not be below 0');
  return {
    kind: 'forward',
    timeoutMs,
    idleTimeoutMs: millis(action.idleTimeout),
    maxStreamDurationMs: millis(action.maxStreamDuration?.maxStreamDuration),
    maxGrpcTimeoutMs: millis(action.maxStreamDuration?.grpcTimeoutHeaderMax) ?? millis(action.maxGrpcTimeout),
    retry:
      action.retryPolicy === undefined
        ? defaults.retry
        : compileRetryPolicy(action.retryPolicy, regex, at(place, 'retry_policy')),
    prefixRewrite: action.prefixRewrite,
    regexRewrite: compileRewrite(action.regexRewrite, regex, at(place, 'regex_rewrite')),
    autoHostRewrite: action.hostRewriteSpecifier.case === 'autoHostRewrite' && action.hostRewriteSpecifier.value.value,
    appendForwardedHost: action.appendXForwardedHost,
    hashPolicies: action.hashPolicy.map((policy, i) => compileHashPolicy(policy, at(place, `hash_policy[${i}]`))),
    mirrors:
      action.requestMirrorPolicies.length > 0 ? compileMirrors(action.requestMirrorPolicies, place) : defaults.mirrors,
    upgrades: new Map(
      action.upgradeConfigs.map(({ upgradeType, enabled }) => [upgradeType.toLowerCase(), enabled ?? true]),
    ),
    terminates: terminationOf(action, place),
    clusterNotFoundStatus: NOT_FOUND_STATUS[action.clusterNotFoundResponseCode],
  };
}

function terminationOf({ upgradeConfigs }: RouteActionMessage, place: Place): ForwardAction['terminates'] {
  const i = upgradeConfigs.findIndex(({ connectConfig }) => connectConfig !== undefined);
  const { upgradeType = '', enabled, connectConfig } = upgradeConfigs[i] ?? {};
  if (connectConfig === undefined || enabled === false) return undefined;
  const where = at(place, `upgrade_configs[${i}]`);
  if (upgradeType.toUpperCase() !== 'CONNECT')
    return reject(at(where, 'connect_config'), `is for the upgrade type CONNECT, not "${upgradeType}"`);
  if (connectConfig.proxyProtocolConfig !== undefined)
    return reject(at(where, 'connect_config.proxy_protocol_config'), 'is not supported');
  return { post: connectConfig.allowPost };
}

// What a request line or a Location can not hold.
const NOT_IN_TARGET = /[^\x21-\x7e\x80-\xff]/;

function checkTarget(text: string, place: Place): void {
  if (NOT_IN_TARGET.test(text))
    reject(place, 'blanks, control characters and what is not Latin-1 can not stand in a target');
}

/** Those that can never copy anything are left out. */
export function compileMirrors(policies: readonly MirrorMessage[], place: Place): MirrorPolicy[] {
  return policies
    .map((policy, i) => {
      if ((policy.cluster === '') === (policy.clusterHeader === ''))
        return reject(at(place, `request_mirror_policies[${i}]`), 'needs either cluster or cluster_header');
      return {
        cluster: policy.cluster,
        clusterHeader: policy.clusterHeader.toLowerCase(),
        fraction: fractionOf(policy.runtimeFraction?.defaultValue),
        traceSampled: policy.traceSampled,
        marksHost: !policy.disableShadowHostSuffixAppend,
      };
    })
    .filter(({ fraction }) => fraction > 0);
}

// RFC 6265 §4.1.1: what would end the cookie or the header line is not part of it.
const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const COOKIE_TEXT = /^[\x20-\x3a\x3c-\x7e]*$/;

function compileHashPolicy({ policySpecifier, terminal }: HashPolicyMessage, place: Place): HashPolicy {
  switch (policySpecifier.case) {
    case 'header':
      return { kind: 'header', name: policySpecifier.value.headerName.toLowerCase(), terminal };
    case 'cookie': {
      const { name, ttl, path } = policySpecifier.value;
      if (!COOKIE_NAME.test(name) || !COOKIE_TEXT.test(path))
        return reject(at(place, 'cookie'), 'name or path hold characters that a cookie can not have');
      const attributes = policySpecifier.value.attributes.map(({ name: key, value }) => ({ name: key, value }));
      if (attributes.some(({ name: key, value }) => !COOKIE_NAME.test(key) || !COOKIE_TEXT.test(value)))
        return reject(at(place, 'cookie.attributes'), 'an attribute holds characters that a cookie can not have');
      return { kind: 'cookie', name, ttlMs: millis(ttl), path, attributes, terminal };
    }
    case 'connectionProperties':
      if (!policySpecifier.value.sourceIp)
        return reject(place, 'connection_properties without source_ip hashes nothing');
      return { kind: 'source-ip', terminal };
    case 'queryParameter':
      return { kind: 'query-parameter', name: policySpecifier.value.name, terminal };
    case undefined:
      return reject(place, 'no policy is set, or one that is not supported');
  }
}

function compileRewrite(
  rewrite: RouteActionMessage['regexRewrite'],
  regex: RegexEngine,
  place: Place,
): RegexRewrite | undefined {
  if (rewrite === undefined) return undefined;
  checkTarget(rewrite.substitution, at(place, 'substitution'));
  return { pattern: compileRegex(rewrite.pattern, regex, at(place, 'pattern')), substitution: rewrite.substitution };
}

export function compileRedirect(action: RedirectMessage, regex: RegexEngine, place: Place): RedirectAction {
  const { schemeRewriteSpecifier: scheme, pathRewriteSpecifier: path } = action;
  const status = REDIRECT_STATUS[action.responseCode];
  if (status === undefined) return reject(at(place, 'response_code'), `${String(action.responseCode)} is not known`);
  checkTarget(action.hostRedirect, at(place, 'host_redirect'));
  if (scheme.case === 'schemeRedirect') checkTarget(scheme.value, at(place, 'scheme_redirect'));
  if (path.case === 'pathRedirect' || path.case === 'prefixRewrite') checkTarget(path.value, at(place, path.case));
  if (action.portRedirect > 65_535) return reject(at(place, 'port_redirect'), `${action.portRedirect} is not a port`);
  return {
    kind: 'redirect',
    status,
    scheme: scheme.case === 'httpsRedirect' ? (scheme.value ? 'https' : '') : (scheme.value ?? ''),
    host: action.hostRedirect,
    port: action.portRedirect,
    path: path.case === 'pathRedirect' ? path.value : undefined,
    prefixRewrite: path.case === 'prefixRewrite' ? path.value : undefined,
    regexRewrite:
      path.case === 'regexRewrite' ? compileRewrite(path.value, regex, at(place, 'regex_rewrite')) : undefined,
    stripQuery: action.stripQuery,
  };
}

export const HTTPS_REDIRECT: RedirectAction = {
  kind: 'redirect',
  status: 301,
  scheme: 'https',
  host: '',
  port: 0,
  path: undefined,
  prefixRewrite: undefined,
  regexRewrite: undefined,
  stripQuery: false,
};

export function compileDirectResponse(action: DirectResponseAction, maxBytes: number, place: Place): DirectResponse {
  if (action.status < 200 || action.status > 599) {
    return reject(at(place, 'status'), `${action.status} is not a final HTTP status`);
  }
  const body = bodyOf(action, at(place, 'body'));
  if (body.length > maxBytes)
    return reject(at(place, 'body'), `${body.length} bytes are more than the ${maxBytes} allowed`);
  return { kind: 'direct-response', status: action.status, body };
}

function bodyOf({ body }: DirectResponseAction, place: Place): Uint8Array {
  if (body === undefined) return new Uint8Array();
  switch (body.specifier.case) {
    case 'inlineBytes':
      return body.specifier.value;
    case 'inlineString':
      return new TextEncoder().encode(body.specifier.value);
    default:
      return reject(place, 'only inline_bytes and inline_string are supported');
  }
}
