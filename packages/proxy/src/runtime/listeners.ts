import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import type { Listener as ListenerMessage } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import type { Filter, FilterChain } from '@weft/contracts/lean/envoy/config/listener/v3/listener_components';
import { ProxyProtocolConfig_Version as ProxyVersion } from '@weft/contracts/lean/envoy/config/core/v3/proxy_protocol';
import { ProxyProtocolSchema } from '@weft/contracts/lean/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol';
import { OriginalDstSchema } from '@weft/contracts/lean/envoy/extensions/filters/listener/original_dst/v3/original_dst';
import { ConnectionLimitSchema } from '@weft/contracts/lean/envoy/extensions/filters/network/connection_limit/v3/connection_limit';
import { RBACSchema as NetworkRbacSchema } from '@weft/contracts/lean/envoy/extensions/filters/network/rbac/v3/rbac';
import { HttpConnectionManagerSchema } from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { TcpProxySchema } from '@weft/contracts/lean/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { RawBufferSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer';
import {
  type DownstreamTlsContext,
  DownstreamTlsContextSchema,
} from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { type CompiledRbac, compileRbac, ConfigRejectedError } from '@weft/evaluator';
import type { TcpProxySettings } from '../filters/network/tcp-proxy.ts';
import { type ChainCriteria, compileCriteria } from '../listeners/chain-match.ts';
import type { ListenerLimits } from '../listeners/admission.ts';
import type { ProxyProtocolRules } from '../listeners/read-proxy-header.ts';
import type { Direction } from '../request-record.ts';
import { opened, typeNameOf, unpack } from './any.ts';
import { millisOr } from './durations.ts';
import { readAddress } from './endpoints.ts';
import { type Inspection, inspections } from './inspection.ts';
import { type CompiledHcm, compileHcm, type ListenerDeps, type ListenerFacts } from './http-connection-manager.ts';
import { listenerLimits } from './listener-limits.ts';
import { compileTcpProxy } from './tcp-proxy.ts';

export interface ConnectionLimit {
  readonly max: number;
  readonly statPrefix: string;
}

export interface CompiledChain {
  readonly name: string;
  readonly criteria: ChainCriteria;
  /** undefined = plain. */
  readonly tls: DownstreamTlsContext | undefined;
  readonly handshakeTimeoutMs: number;
  readonly networkRbac: readonly CompiledRbac[];
  /** `per_connection_buffer_limit_bytes` of the listener; undefined = ours. */
  readonly bufferBytes: number | undefined;
  /** Connections of this chain at once. */
  readonly connectionLimit: ConnectionLimit | undefined;
  readonly terminal:
    | { readonly kind: 'http'; readonly hcm: CompiledHcm }
    | { readonly kind: 'tcp'; readonly proxy: TcpProxySettings };
  /** Equal texts: the same chain, whose connections live on through an update. */
  readonly transportFingerprint: string;
}

export interface CompiledListener {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly bind: boolean;
  readonly direction: Direction;
  readonly chains: readonly CompiledChain[];
  readonly defaultChain: CompiledChain | undefined;
  /** By the port that a connection was going to. */
  readonly inspectionAt: (port: number) => Inspection;
  /** Where redirected connections were going: of no interest, known to the chains, or who is to serve them. */
  readonly original: 'ignored' | 'known' | 'handed-over';
  /** Connections begin with the header of a proxy in front. */
  readonly proxyProtocol: ProxyProtocolRules | undefined;
  /** 0 = no limit. */
  readonly inspectTimeoutMs: number;
  readonly continueOnTimeout: boolean;
  readonly backlog: number;
  readonly limits: ListenerLimits;
}

const DEFAULT_INSPECT_TIMEOUT_MS = 15_000;
const DEFAULT_HANDSHAKE_TIMEOUT_MS = 15_000;
const DEFAULT_BACKLOG = 1024;
const INERT_NETWORK_FILTERS = new Set([
  'istio.stats',
  'istio.metadata_exchange',
  'envoy.filters.network.metadata_exchange',
]);

/** @throws {ConfigRejectedError} naming the field. */
export function compileListener(message: ListenerMessage, deps: ListenerDeps): CompiledListener {
  const resource = `Listener "${message.name}"`;
  const { address, port } = readAddress(message.address, resource, 'address');
  const bind = message.bindToPort ?? true;
  if (bind && !deps.hasAddress(address))
    throw new ConfigRejectedError(resource, `address: this machine has no ${address}`);
  const direction = directionOf(message);
  const compile = (chain: FilterChain, i: number | 'default'): CompiledChain =>
    compileChain(
      chain,
      { listener: message.name, direction, bufferBytes: message.perConnectionBufferLimitBytes },
      deps,
      `${resource}: filter_chains[${i}]`,
    );
  const chains = message.filterChains.map(compile);
  const defaultChain =
    message.defaultFilterChain === undefined ? undefined : compile(message.defaultFilterChain, 'default');
  if (chains.length === 0 && defaultChain === undefined)
    throw new ConfigRejectedError(resource, 'there is no filter chain');
  refuseTwins(chains, resource);
  const original = originalOf(message);
  if (original !== 'ignored') deps.needOriginalDestinations(resource);
  return {
    name: message.name,
    address,
    port,
    bind,
    direction,
    chains,
    defaultChain,
    inspectionAt: inspections(
      message,
      chains.map(({ criteria }) => criteria),
    ),
    original,
    proxyProtocol: proxyProtocolOf(message, resource),
    inspectTimeoutMs: millisOr(message.listenerFiltersTimeout, DEFAULT_INSPECT_TIMEOUT_MS),
    continueOnTimeout: message.continueOnListenerFiltersTimeout,
    backlog: message.tcpBacklogSize ?? DEFAULT_BACKLOG,
    limits: listenerLimits(
      message,
      isEdge([...chains, ...(defaultChain === undefined ? [] : [defaultChain])]),
      resource,
    ),
  };
}

/** @throws {ConfigRejectedError} where it does not come first: the other filters look at what is behind it. */
function proxyProtocolOf(message: ListenerMessage, resource: string): ProxyProtocolRules | undefined {
  const at = message.listenerFilters.findIndex(
    ({ name, configType }) =>
      name === PROXY_PROTOCOL_FILTER ||
      (configType.case === 'typedConfig' && typeNameOf(configType.value.typeUrl) === ProxyProtocolSchema.typeName),
  );
  const filter = message.listenerFilters[at];
  if (filter === undefined) return undefined;
  const inspectors = message.listenerFilters.slice(0, at).some(({ name }) => name !== ORIGINAL_DST_FILTER);
  if (inspectors)
    throw new ConfigRejectedError(resource, `listener_filters[${at}]: the PROXY protocol must come first`);
  const any = filter.configType.case === 'typedConfig' ? filter.configType.value : undefined;
  const config = unpack(any, ProxyProtocolSchema, resource);
  const disallowed = new Set(config?.disallowedVersions);
  return {
    versions: { 1: !disallowed.has(ProxyVersion.V1), 2: !disallowed.has(ProxyVersion.V2) },
    optional: config?.allowRequestsWithoutProxyProtocol ?? false,
  };
}

const PROXY_PROTOCOL_FILTER = 'envoy.filters.listener.proxy_protocol';
const ORIGINAL_DST_FILTER = 'envoy.filters.listener.original_dst';

/** Envoy's two ways to want it: the whole field, which also hands over, and the filter, which does not. */
function originalOf(message: ListenerMessage): CompiledListener['original'] {
  if (message.useOriginalDst === true) return 'handed-over';
  const filter = message.listenerFilters.some(
    ({ name, configType }) =>
      name === ORIGINAL_DST_FILTER ||
      (configType.case === 'typedConfig' && typeNameOf(configType.value.typeUrl) === OriginalDstSchema.typeName),
  );
  return filter ? 'known' : 'ignored';
}

function directionOf(message: ListenerMessage): Direction {
  return message.trafficDirection === TrafficDirection.INBOUND ? 'inbound' : 'outbound';
}

/** Whoever connects is the client itself: no proxy in front is believed, nobody has to be of the mesh. */
const isEdge = (chains: readonly CompiledChain[]): boolean =>
  chains.some(
    ({ terminal }) =>
      terminal.kind === 'http' &&
      terminal.hcm.settings.direction === 'gateway' &&
      terminal.hcm.settings.trustedHops === 0,
  );

function refuseTwins(chains: readonly CompiledChain[], resource: string): void {
  const seen = new Set<string>();
  for (const { criteria } of chains) {
    const { destinationRanges, sourceRanges, ...rest } = criteria;
    if (destinationRanges.length > 0 || sourceRanges.length > 0) continue;
    const key = JSON.stringify(rest);
    if (seen.has(key)) throw new ConfigRejectedError(resource, 'filter_chains: two of them match the same connections');
    seen.add(key);
  }
}

function compileChain(chain: FilterChain, where: ListenerFacts, deps: ListenerDeps, resource: string): CompiledChain {
  const networkRbac: CompiledRbac[] = [];
  const last = chain.filters.length - 1;
  let terminal: CompiledChain['terminal'] | undefined;
  let connectionLimit: ConnectionLimit | undefined;
  chain.filters.forEach((filter, i) => {
    const place = `${resource}: filters[${i}] "${filter.name}"`;
    const found = compileNetworkFilter(filter, where, deps, place);
    if (found === undefined) return;
    if ('max' in found) connectionLimit = found;
    else if ('action' in found) networkRbac.push(found);
    else if (i === last) terminal = found;
    else throw new ConfigRejectedError(place, 'must be the last filter of its chain');
  });
  if (terminal === undefined)
    throw new ConfigRejectedError(
      resource,
      'filters: the last one must be the HTTP connection manager or the TCP proxy',
    );
  const tls = tlsOf(chain, resource);
  return {
    name: chain.name,
    criteria: compileCriteria(chain.filterChainMatch, resource),
    tls,
    handshakeTimeoutMs: millisOr(chain.transportSocketConnectTimeout, DEFAULT_HANDSHAKE_TIMEOUT_MS),
    networkRbac,
    bufferBytes: where.bufferBytes,
    connectionLimit,
    terminal,
    transportFingerprint: fingerprint([chain.name, chain.filterChainMatch, chain.transportSocket, terminal.kind]),
  };
}

function compileNetworkFilter(
  filter: Filter,
  where: ListenerFacts,
  deps: ListenerDeps,
  resource: string,
): CompiledChain['terminal'] | CompiledRbac | ConnectionLimit | undefined {
  const any = filter.configType.case === 'typedConfig' ? opened(filter.configType.value, resource) : undefined;
  const hcm = unpack(any, HttpConnectionManagerSchema, resource);
  if (hcm !== undefined) {
    const direction = where.direction === 'outbound' && hcm.useRemoteAddress === true ? 'gateway' : where.direction;
    return { kind: 'http', hcm: compileHcm(hcm, { ...where, direction }, deps, resource) };
  }
  const tcp = unpack(any, TcpProxySchema, resource);
  if (tcp !== undefined) return { kind: 'tcp', proxy: compileTcpProxy(tcp, deps.accessLogs, resource) };
  const rbac = unpack(any, NetworkRbacSchema, resource);
  if (rbac !== undefined) return rbac.rules === undefined ? undefined : compileRbac(rbac.rules, deps, resource);
  const limit = unpack(any, ConnectionLimitSchema, resource);
  if (limit !== undefined) {
    const max = Number(limit.maxConnections ?? 0n);
    if (max < 1) throw new ConfigRejectedError(resource, 'max_connections must be 1 or more');
    return { max, statPrefix: limit.statPrefix };
  }
  if (INERT_NETWORK_FILTERS.has(filter.name)) return undefined;
  throw new ConfigRejectedError(
    resource,
    `${any === undefined ? 'a filter without configuration' : typeNameOf(any.typeUrl)} is not supported`,
  );
}

function tlsOf(chain: FilterChain, resource: string): DownstreamTlsContext | undefined {
  const socket = chain.transportSocket;
  if (socket === undefined) return undefined;
  const any = socket.configType.case === 'typedConfig' ? socket.configType.value : undefined;
  const tls = unpack(any, DownstreamTlsContextSchema, resource);
  if (tls !== undefined) return tls;
  if (unpack(any, RawBufferSchema, resource) !== undefined || socket.name === 'envoy.transport_sockets.raw_buffer')
    return undefined;
  throw new ConfigRejectedError(
    resource,
    `transport socket ${any === undefined ? `"${socket.name}"` : typeNameOf(any.typeUrl)} is not supported`,
  );
}

const fingerprint = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => {
    if (part instanceof Uint8Array) return Buffer.from(part).toString('base64');
    return typeof part === 'bigint' ? String(part) : part;
  });
