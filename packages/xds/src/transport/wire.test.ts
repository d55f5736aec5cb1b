import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@weft/contracts/full/envoy/service/discovery/v3/discovery';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServerResponse } from '../protocol/server-stream.ts';
import {
  readDeltaRequest,
  readDeltaResponse,
  readSotwRequest,
  writeDeltaRequest,
  writeDeltaResponse,
  writeSotwResponse,
} from './wire.ts';

const resource = fc.record({ name: fc.string(), version: fc.string(), bytes: fc.uint8Array({ maxLength: 300 }) });
const response: fc.Arbitrary<ServerResponse> = fc.record({
  typeUrl: fc.string(),
  version: fc.string(),
  nonce: fc.string(),
  resources: fc.array(resource, { maxLength: 5 }),
  removed: fc.array(fc.string(), { maxLength: 3 }),
});
const anyOf = (typeUrl: string, value: Uint8Array) => ({ typeUrl, value: Uint8Array.from(value) });

describe('responses, written by hand', () => {
  it('state of the world reads as the protobuf library reads it', () => {
    fc.assert(
      fc.property(response, (one) => {
        const message = fromBinary(DiscoveryResponseSchema, writeSotwResponse(one));
        const { typeUrl, version: versionInfo, nonce } = one;
        const resources = one.resources.map(({ bytes }) => anyOf(typeUrl, bytes));
        const wanted = create(DiscoveryResponseSchema, { typeUrl, versionInfo, nonce, resources });
        expect(toBinary(DiscoveryResponseSchema, message)).toEqual(toBinary(DiscoveryResponseSchema, wanted));
      }),
    );
  });

  it('delta reads as the protobuf library reads it, and as our client does', () => {
    fc.assert(
      fc.property(response, (one) => {
        const bytes = writeDeltaResponse(one);
        const message = fromBinary(DeltaDiscoveryResponseSchema, bytes);
        const wanted = create(DeltaDiscoveryResponseSchema, {
          typeUrl: one.typeUrl,
          systemVersionInfo: one.version,
          nonce: one.nonce,
          removedResources: [...one.removed],
          resources: one.resources.map(({ name, version, bytes: value }) => ({
            name,
            version,
            resource: anyOf(one.typeUrl, value),
          })),
        });
        expect(toBinary(DeltaDiscoveryResponseSchema, message)).toEqual(toBinary(DeltaDiscoveryResponseSchema, wanted));
        const { resources, removed } = readDeltaResponse(bytes);
        expect(removed).toEqual(one.removed);
        expect(resources.map(({ bytes: value }) => [...(value ?? [])])).toEqual(
          one.resources.map(({ bytes: value }) => [...value]),
        );
      }),
    );
  });

  it('resources longer than 2^21 bytes keep their length', () => {
    const bytes = new Uint8Array(3_000_000).fill(7);
    const one = {
      typeUrl: 't',
      version: '1',
      nonce: 'n',
      resources: [{ name: 'a', version: '1', bytes }],
      removed: [],
    };
    expect(readDeltaResponse(writeDeltaResponse(one)).resources[0]?.bytes?.length).toBe(3_000_000);
  });
});

describe('requests', () => {
  const node = {
    id: 'sidecar~1.2.3.4~a.default~default.svc.cluster.local',
    cluster: 'a',
    metadata: { NAMESPACE: 'default', LABELS: { app: 'a' } },
    userAgentName: 'envoy',
    userAgentVersion: '1.40',
    clientFeatures: ['envoy.lb.does_not_support_overprovisioning'],
    locality: { region: 'r', zone: 'z', subZone: 's' },
  };

  it('delta: what the client writes the server reads', () => {
    const request = {
      typeUrl: 't',
      node,
      subscribe: ['a', 'b'],
      unsubscribe: ['c'],
      initialVersions: new Map([['x', '1']]),
      nonce: 'n',
      error: { code: 3, message: 'no' },
    };
    expect(readDeltaRequest(writeDeltaRequest(request))).toEqual(request);
    expect(fromBinary(DeltaDiscoveryRequestSchema, writeDeltaRequest(request)).errorDetail?.message).toBe('no');
  });

  it('state of the world: versions, names, nonce and error', () => {
    const message = create(DiscoveryRequestSchema, {
      typeUrl: 't',
      versionInfo: '3',
      resourceNames: ['a'],
      responseNonce: 'n',
      errorDetail: { code: 13, message: 'bad' },
      node: { id: 'i', userAgentVersionType: { case: 'userAgentBuildVersion', value: {} } },
    });
    expect(readSotwRequest(toBinary(DiscoveryRequestSchema, message))).toMatchObject({
      typeUrl: 't',
      versionInfo: '3',
      names: ['a'],
      nonce: 'n',
      error: { code: 13, message: 'bad' },
      node: { id: 'i', userAgentVersion: '' },
    });
  });
});
