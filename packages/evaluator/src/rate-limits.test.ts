import { create, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { RateLimitSchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { describe, expect, it } from 'vitest';
import { maskedAddress } from './ip.ts';
import { compileRateLimits, type DescribedRequest } from './rate-limits.ts';
import { createRegexEngine } from './regex.ts';

const request: DescribedRequest = {
  method: 'GET',
  path: '/p',
  query: 'a=1&b=2',
  authority: 'h:80',
  scheme: 'http',
  header: (name) => (name === 'x-user' ? 'jason' : undefined),
  principals: [],
  directRemoteIp: '10.0.0.9',
  remoteIp: '10.1.2.3',
  destinationIp: '',
  destinationPort: 80,
  requestedServerName: '',
  metadata: () => undefined,
  clusterName: 'app',
};
const described = (...actions: JsonObject[]): string | undefined => {
  const [rule] = compileRateLimits([fromJson(RateLimitSchema, { actions })], createRegexEngine(), {
    resource: 'r',
    path: '',
  });
  return rule?.describe(request)?.replaceAll('\0', '|');
};

describe('actions of a rate limit', () => {
  it.each<[JsonObject[], string | undefined]>([
    [[{ destinationCluster: {} }], 'destination_cluster|app|'],
    [[{ remoteAddress: {} }], 'remote_address|10.1.2.3|'],
    [[{ maskedRemoteAddress: { v4PrefixMaskLen: 16 } }], 'masked_remote_address|10.1.0.0/16|'],
    [
      [{ genericKey: { descriptorValue: 'v' } }, { genericKey: { descriptorKey: 'k', descriptorValue: 'w' } }],
      'generic_key|v|k|w|',
    ],
    [[{ requestHeaders: { headerName: 'X-User', descriptorKey: 'u' } }], 'u|jason|'],
    [[{ requestHeaders: { headerName: ':path', descriptorKey: 'p' } }], 'p|/p?a=1&b=2|'],
    // Without one entry the whole descriptor is dropped, unless that entry may be skipped.
    [
      [{ genericKey: { descriptorValue: 'v' } }, { requestHeaders: { headerName: 'x-no', descriptorKey: 'n' } }],
      undefined,
    ],
    [
      [
        { genericKey: { descriptorValue: 'v' } },
        { requestHeaders: { headerName: 'x-no', descriptorKey: 'n', skipIfAbsent: true } },
      ],
      'generic_key|v|',
    ],
    [
      [{ headerValueMatch: { descriptorValue: 'm', headers: [{ name: 'x-user', exactMatch: 'jason' }] } }],
      'header_match|m|',
    ],
    [[{ headerValueMatch: { descriptorValue: 'm', expectMatch: false, headers: [{ name: 'x-user' }] } }], undefined],
    [
      [
        {
          queryParameterValueMatch: {
            descriptorKey: 'q',
            descriptorValue: 'm',
            queryParameters: [{ name: 'a', stringMatch: { exact: '1' } }],
          },
        },
      ],
      'q|m|',
    ],
  ])('%j describe it as %s', (actions, expected) => {
    expect(described(...actions)).toBe(expected);
  });
  it('that are none, or not known here, are refused', () => {
    const compile = (init: object) =>
      compileRateLimits([create(RateLimitSchema, init)], createRegexEngine(), { resource: 'r', path: 'route' });
    expect(() => compile({})).toThrow('rate_limits[0]');
    expect(() => compile({ stage: 11, actions: [{}] })).toThrow('stage');
    expect(() => compile({ actions: [{ actionSpecifier: { case: 'sourceCluster', value: {} } }] })).toThrow(
      'source_cluster',
    );
  });
});

it.each([
  ['10.1.2.3', '10.1.2.0/24'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['::1', '::/64'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::/64'],
  ['x', undefined],
])('%s is masked as %s', (address, expected) => {
  expect(maskedAddress(address, 24, 64)).toBe(expected);
});
