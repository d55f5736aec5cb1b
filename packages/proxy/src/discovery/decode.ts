import { type DescMessage, fromBinary } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DiscoveryType,
  ClusterSchema,
} from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '@weft/contracts/lean/envoy/config/endpoint/v3/endpoint';
import { type Listener, ListenerSchema } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import { type RouteConfiguration, RouteConfigurationSchema } from '@weft/contracts/lean/envoy/config/route/v3/route';
import { type NameTable, NameTableSchema } from '@weft/contracts/lean/istio/networking/nds/v1/nds';
import { HttpConnectionManagerSchema } from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { XDS_TYPE } from '@weft/contracts';
import type { ResourceType } from '../ports.ts';

/** Lean messages by type. */
export interface DecodedResource {
  readonly listener: Listener;
  readonly route: RouteConfiguration;
  readonly cluster: Cluster;
  readonly endpoint: ClusterLoadAssignment;
  readonly nameTable: NameTable;
}

export const RESOURCE_TYPES: readonly ResourceType[] = ['cluster', 'endpoint', 'listener', 'route', 'nameTable'];

export const resourceTypeOf = (typeUrl: string): ResourceType | undefined =>
  RESOURCE_TYPES.find((type) => XDS_TYPE[type] === typeUrl);

const SCHEMAS = {
  listener: ListenerSchema,
  route: RouteConfigurationSchema,
  cluster: ClusterSchema,
  endpoint: ClusterLoadAssignmentSchema,
  nameTable: NameTableSchema,
} satisfies Record<ResourceType, DescMessage>;

/** @throws when the bytes are not such a message. */
export function decodeResource<Type extends ResourceType>(type: Type, bytes: Uint8Array): DecodedResource[Type] {
  const schema: DescMessage = SCHEMAS[type];
  return fromBinary(schema, bytes) as unknown as DecodedResource[Type];
}

/** The name that a message gives itself; a resource under another name is refused. Undefined: such messages have none. */
export function ownName(message: DecodedResource[ResourceType]): string | undefined {
  switch (message.$typeName) {
    case 'envoy.config.endpoint.v3.ClusterLoadAssignment':
      return message.clusterName;
    case 'istio.networking.nds.v1.NameTable':
      return undefined;
    default:
      return message.name;
  }
}

/** What EDS is to be asked about. */
export function endpointNameOf(cluster: Cluster): string | undefined {
  if (
    cluster.clusterDiscoveryType.case !== 'type' ||
    cluster.clusterDiscoveryType.value !== Cluster_DiscoveryType.EDS
  ) {
    return undefined;
  }
  return cluster.edsClusterConfig?.serviceName || cluster.name;
}

const HCM_TYPE = `type.googleapis.com/${HttpConnectionManagerSchema.typeName}`;

/** What RDS is to be asked about. @throws when a connection manager can not be decoded. */
export function routeNamesOf(listener: Listener): string[] {
  const chains = [
    ...listener.filterChains,
    ...(listener.defaultFilterChain === undefined ? [] : [listener.defaultFilterChain]),
  ];
  const names = new Set<string>();
  for (const { filters } of chains) {
    for (const { configType } of filters) {
      if (configType.case !== 'typedConfig' || configType.value.typeUrl !== HCM_TYPE) continue;
      const { routeSpecifier } = fromBinary(HttpConnectionManagerSchema, configType.value.value);
      if (routeSpecifier.case === 'rds') names.add(routeSpecifier.value.routeConfigName);
    }
  }
  return [...names];
}

interface MaybeMessage {
  readonly $unknown?: readonly { readonly no: number }[] | undefined;
}

/**
 * Fields anywhere in a message that the proxy does not read, as paths (`filterChains[0].#17`). Packed extensions are
 * looked into by those who unpack them.
 */
export function unknownFields(value: unknown, path = '', found: string[] = []): string[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return found;
  if (Array.isArray(value)) {
    value.forEach((item, i) => unknownFields(item, `${path}[${i}]`, found));
    return found;
  }
  const step = path === '' ? '' : `${path}.`;
  for (const { no } of (value as MaybeMessage).$unknown ?? []) found.push(`${step}#${no}`);
  for (const [key, item] of Object.entries(value)) {
    if (key !== '$unknown' && typeof item === 'object') unknownFields(item, `${step}${key}`, found);
  }
  return found;
}
