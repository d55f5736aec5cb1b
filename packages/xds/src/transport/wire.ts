/** Messages of the protocol to bytes and back. Responses are written by hand: a resource's bytes are copied once, into place. */
import { create, fromBinary, toBinary, type JsonObject } from '@bufbuild/protobuf';
import { NodeSchema, type Node } from '@weft/contracts/lean/envoy/config/core/v3/base';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
} from '@weft/contracts/lean/envoy/service/discovery/v3/discovery';
import type { DeltaRequest, IncomingDelta, IncomingResource, SotwRequest } from '../protocol/messages.ts';
import type { ServerResponse } from '../protocol/server-stream.ts';
import type { XdsNode, XdsResource } from '../resource.ts';
import { asBuffer } from './grpc-method.ts';

export function readSotwRequest(bytes: Uint8Array): SotwRequest {
  const message = fromBinary(DiscoveryRequestSchema, bytes);
  const { typeUrl, versionInfo, resourceNames, responseNonce, node, errorDetail } = message;
  return {
    typeUrl,
    versionInfo,
    names: resourceNames,
    nonce: responseNonce,
    ...(node && { node: readNode(node) }),
    ...(errorDetail && { error: { code: errorDetail.code, message: errorDetail.message } }),
  };
}

export function readDeltaRequest(bytes: Uint8Array): DeltaRequest {
  const message = fromBinary(DeltaDiscoveryRequestSchema, bytes);
  const { typeUrl, responseNonce, node, errorDetail } = message;
  return {
    typeUrl,
    subscribe: message.resourceNamesSubscribe,
    unsubscribe: message.resourceNamesUnsubscribe,
    initialVersions: new Map(Object.entries(message.initialResourceVersions)),
    nonce: responseNonce,
    ...(node && { node: readNode(node) }),
    ...(errorDetail && { error: { code: errorDetail.code, message: errorDetail.message } }),
  };
}

export function writeDeltaRequest(request: DeltaRequest): Buffer {
  const { typeUrl, subscribe, unsubscribe, initialVersions, nonce, node, error } = request;
  const message = create(DeltaDiscoveryRequestSchema, {
    typeUrl,
    resourceNamesSubscribe: [...subscribe],
    resourceNamesUnsubscribe: [...unsubscribe],
    initialResourceVersions: Object.fromEntries(initialVersions),
    responseNonce: nonce,
    ...(node && { node: writeNode(node) }),
    ...(error && { errorDetail: { code: error.code, message: error.message } }),
  });
  return asBuffer(toBinary(DeltaDiscoveryRequestSchema, message));
}

/** Bytes are copied, so that a kept resource does not hold on to its whole response. */
export function readDeltaResponse(bytes: Uint8Array): IncomingDelta {
  const message = fromBinary(DeltaDiscoveryResponseSchema, bytes);
  return {
    typeUrl: message.typeUrl,
    systemVersion: message.systemVersionInfo,
    nonce: message.nonce,
    removed: message.removedResources,
    resources: message.resources.map(({ name, version, resource }): IncomingResource => ({
      name,
      version,
      typeUrl: resource?.typeUrl ?? '',
      bytes: resource && resource.value.slice(),
    })),
  };
}

function readNode(node: Node): XdsNode {
  const { locality, userAgentVersionType } = node;
  return {
    id: node.id,
    cluster: node.cluster,
    metadata: node.metadata ?? {},
    userAgentName: node.userAgentName,
    userAgentVersion: userAgentVersionType.case === 'userAgentVersion' ? userAgentVersionType.value : '',
    clientFeatures: node.clientFeatures,
    ...(locality && { locality: { region: locality.region, zone: locality.zone, subZone: locality.subZone } }),
  };
}

function writeNode(node: XdsNode): Node {
  return create(NodeSchema, {
    id: node.id,
    cluster: node.cluster,
    metadata: node.metadata as JsonObject,
    userAgentName: node.userAgentName,
    userAgentVersionType: { case: 'userAgentVersion', value: node.userAgentVersion },
    clientFeatures: [...node.clientFeatures],
    ...(node.locality && { locality: node.locality }),
  });
}

// Field numbers with wire type 2 (length-delimited), as in discovery.proto; wire.test.ts compares with the generated types.
const SOTW = { version: (1 << 3) | 2, resources: (2 << 3) | 2, typeUrl: (4 << 3) | 2, nonce: (5 << 3) | 2 };
const DELTA = {
  version: (1 << 3) | 2,
  resources: (2 << 3) | 2,
  typeUrl: (4 << 3) | 2,
  nonce: (5 << 3) | 2,
  removed: (6 << 3) | 2,
};
const RESOURCE = { version: (1 << 3) | 2, resource: (2 << 3) | 2, name: (3 << 3) | 2 };
const ANY = { typeUrl: (1 << 3) | 2, value: (2 << 3) | 2 };

export function writeSotwResponse(response: ServerResponse): Buffer {
  return build([
    ...text(SOTW.version, response.version),
    ...response.resources.flatMap((resource) => nested(SOTW.resources, any(response.typeUrl, resource))),
    ...text(SOTW.typeUrl, response.typeUrl),
    ...text(SOTW.nonce, response.nonce),
  ]);
}

export function writeDeltaResponse(response: ServerResponse): Buffer {
  return build([
    ...text(DELTA.version, response.version),
    ...response.resources.flatMap((resource) => {
      const body = nested(RESOURCE.resource, any(response.typeUrl, resource));
      return nested(DELTA.resources, [
        ...text(RESOURCE.version, resource.version),
        ...body,
        ...text(RESOURCE.name, resource.name),
      ]);
    }),
    ...text(DELTA.typeUrl, response.typeUrl),
    ...text(DELTA.nonce, response.nonce),
    ...response.removed.flatMap((name) => field(DELTA.removed, Buffer.from(name, 'utf8'))),
  ]);
}

type Chunk = Uint8Array;

const any = (typeUrl: string, { bytes }: XdsResource): Chunk[] => [
  ...text(ANY.typeUrl, typeUrl),
  ...(bytes.length > 0 ? field(ANY.value, bytes) : []),
];

const build = (chunks: Chunk[]): Buffer => Buffer.concat(chunks);
const field = (tag: number, content: Uint8Array): Chunk[] => [head(tag, content.length), content];
/** proto3 leaves empty strings out. */
const text = (tag: number, value: string): Chunk[] => (value === '' ? [] : field(tag, Buffer.from(value, 'utf8')));
const nested = (tag: number, chunks: Chunk[]): Chunk[] => [
  head(
    tag,
    chunks.reduce((sum, chunk) => sum + chunk.length, 0),
  ),
  ...chunks,
];

function head(tag: number, length: number): Uint8Array {
  const bytes = [tag];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
