/** What listeners of both directions are put together from. */
import { create } from '@bufbuild/protobuf';
import {
  ListenerFilterSchema,
  type FilterChainSchema,
  type ListenerFilter,
} from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { HttpInspectorSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/http_inspector/v3/http_inspector';
import { TlsInspectorSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import { ProxyProtocolSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol';
import { pack, type Init } from './envoy.ts';

export type ChainInit = Init<typeof FilterChainSchema>;

/** A client that says nothing for so long leaves the first word to the server: its connection is plain TCP. */
export const DETECTION_TIMEOUT_MS = 5_000;

/** What the first bytes of plain HTTP show. */
export const PLAIN_HTTP = { transportProtocol: 'raw_buffer', applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] };

/** Inspectors only where a chain's match needs what they find. */
export function listenerFilters(chains: readonly ChainInit[]): ListenerFilter[] {
  return [
    ...(chains.some(needsTlsInspector) ? [tlsInspector()] : []),
    ...(chains.some(needsHttpInspector) ? [httpInspector()] : []),
  ];
}

/** Connections begin with the header of a proxy in front, whose word is taken for who the client is; others are closed. */
export const proxyProtocol = (): ListenerFilter =>
  create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.proxy_protocol',
    configType: { case: 'typedConfig', value: pack(ProxyProtocolSchema) },
  });

export const needsTlsInspector = ({ filterChainMatch }: ChainInit): boolean =>
  (filterChainMatch?.transportProtocol ?? '') !== '';
export const needsHttpInspector = ({ filterChainMatch }: ChainInit): boolean =>
  filterChainMatch?.applicationProtocols?.includes('http/1.1') ?? false;

type NotOn = NonNullable<Init<typeof ListenerFilterSchema>['filterDisabled']>;

/** @param notOn the connections that it leaves alone. */
export const tlsInspector = (notOn?: NotOn): ListenerFilter =>
  create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.tls_inspector',
    configType: { case: 'typedConfig', value: pack(TlsInspectorSchema) },
    ...(notOn ? { filterDisabled: notOn } : {}),
  });
export const httpInspector = (notOn?: NotOn): ListenerFilter =>
  create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.http_inspector',
    configType: { case: 'typedConfig', value: pack(HttpInspectorSchema) },
    ...(notOn ? { filterDisabled: notOn } : {}),
  });
