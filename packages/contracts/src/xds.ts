/** Type URLs of the discovery protocol, and the order in which a push sends them. */

const PREFIX = 'type.googleapis.com/';

export const XDS_TYPE = {
  cluster: `${PREFIX}envoy.config.cluster.v3.Cluster`,
  endpoint: `${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`,
  listener: `${PREFIX}envoy.config.listener.v3.Listener`,
  route: `${PREFIX}envoy.config.route.v3.RouteConfiguration`,
  scopedRoute: `${PREFIX}envoy.config.route.v3.ScopedRouteConfiguration`,
  virtualHost: `${PREFIX}envoy.config.route.v3.VirtualHost`,
  secret: `${PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`,
  runtime: `${PREFIX}envoy.service.runtime.v3.Runtime`,
  extensionConfig: `${PREFIX}envoy.config.core.v3.TypedExtensionConfig`,
  nameTable: `${PREFIX}istio.networking.nds.v1.NameTable`,
  proxyConfig: `${PREFIX}istio.mesh.v1alpha1.ProxyConfig`,
} as const;

export type XdsKind = keyof typeof XDS_TYPE;

/** What is named comes before what names it: make before break. Types that are not here follow in any order. */
export const XDS_PUSH_ORDER: readonly string[] = [
  XDS_TYPE.cluster,
  XDS_TYPE.endpoint,
  XDS_TYPE.listener,
  XDS_TYPE.route,
  XDS_TYPE.virtualHost,
  XDS_TYPE.secret,
];

/** `Cluster` for the cluster type URL: for logs, metrics and tables. */
export const xdsShortName = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
