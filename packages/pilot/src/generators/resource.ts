/** What a generator makes: named Envoy messages that remember where they came from, and their one encoding. */
import { createHash } from 'node:crypto';
import { toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { XDS_TYPE, type XdsKind } from '@weft/contracts';
import { ClusterSchema, type Cluster } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import {
  ClusterLoadAssignmentSchema,
  type ClusterLoadAssignment,
} from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema, type Listener } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema, type RouteConfiguration } from '@weft/contracts/full/envoy/config/route/v3/route';
import { NameTableSchema, type NameTable } from '@weft/contracts/full/istio/networking/nds/v1/nds';
import { uniqueRefs, type SourceRef } from '../config-store/config-object.ts';

/** What is generated for a proxy, in the order of a push: what is named comes before what names it. */
export const PUSH_ORDER = [
  'cluster',
  'endpoint',
  'listener',
  'route',
  'nameTable',
] as const satisfies readonly XdsKind[];

export type ResourceKind = (typeof PUSH_ORDER)[number];

export interface Generated<Message> {
  readonly name: string;
  readonly message: Message;
  /** The configuration objects that made it what it is, in a fixed order. */
  readonly sources: readonly SourceRef[];
}

export type GeneratedCluster = Generated<Cluster>;
export type GeneratedEndpoints = Generated<ClusterLoadAssignment>;
export type GeneratedListener = Generated<Listener>;
export type GeneratedRoutes = Generated<RouteConfiguration>;
export type GeneratedNames = Generated<NameTable>;

export function generated<Message extends { name: string }>(
  message: Message,
  sources: Iterable<SourceRef>,
): Generated<Message> {
  return { name: message.name, message, sources: uniqueRefs(sources) };
}

/** A resource as it goes on the wire. Equal messages have equal bytes and so equal versions. */
export interface EncodedResource {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly typeUrl: string;
  /** Hash of the bytes. */
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly sources: readonly SourceRef[];
}

export const encodeCluster = (resource: GeneratedCluster): EncodedResource =>
  encode('cluster', ClusterSchema, resource);
export const encodeEndpoints = (resource: GeneratedEndpoints): EncodedResource =>
  encode('endpoint', ClusterLoadAssignmentSchema, resource);
export const encodeListener = (resource: GeneratedListener): EncodedResource =>
  encode('listener', ListenerSchema, resource);
export const encodeRoutes = (resource: GeneratedRoutes): EncodedResource =>
  encode('route', RouteConfigurationSchema, resource);
export const encodeNames = (resource: GeneratedNames): EncodedResource =>
  encode('nameTable', NameTableSchema, resource);

function encode<Desc extends DescMessage>(
  kind: ResourceKind,
  schema: Desc,
  resource: Generated<MessageShape<Desc>>,
): EncodedResource {
  const bytes = toBinary(schema, resource.message);
  const version = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  return { kind, name: resource.name, typeUrl: XDS_TYPE[kind], version, bytes, sources: resource.sources };
}
