import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  RetryPolicy_ResetHeaderFormat as Format,
  RetryPolicySchema,
  type RouteAction_HashPolicySchema,
  RouteActionSchema,
} from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { OmitHostMetadataConfigSchema } from '@weft/contracts/lean/envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config';
import { PreviousPrioritiesConfigSchema } from '@weft/contracts/lean/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config';
import { describe, expect, it } from 'vitest';
import { createRegexEngine } from './regex.ts';
import { compileRetryPolicy } from './retry-policy.ts';
import { compileForward } from './route-action.ts';

const regex = createRegexEngine();
const place = { resource: 'RouteConfiguration "r"', path: 'retry_policy' };
const compile = (init: MessageInitShape<typeof RetryPolicySchema>) =>
  compileRetryPolicy(create(RetryPolicySchema, init), regex, place);

describe('which answers of a policy may be tried again', () => {
  it.each([
    ['5xx,reset', 'no'],
    ['unavailable', 'grpc'],
    ['5xx,deadline-exceeded', 'grpc'],
  ])('%s: below 400 %s', (retryOn, expected) => {
    expect(compile({ retryOn }).looksAtSuccess).toBe(expected);
  });
  it('are any where a header or a status below 400 asks for it', () => {
    expect(compile({ retryOn: 'retriable-status-codes', retriableStatusCodes: [302] }).looksAtSuccess).toBe('all');
    expect(compile({ retryOn: 'retriable-status-codes', retriableStatusCodes: [503] }).looksAtSuccess).toBe('no');
    expect(compile({ retryOn: 'retriable-headers', retriableHeaders: [{ name: 'x' }] }).looksAtSuccess).toBe('all');
  });
});

describe('waits that the upstream asks for', () => {
  it('have names in lower case, a format and a limit', () => {
    const resetHeaders = [{ name: 'Retry-After' }, { name: 'X-Reset', format: Format.UNIX_TIMESTAMP }];
    expect(compile({ rateLimitedRetryBackOff: { resetHeaders } }).rateLimited).toEqual({
      headers: [
        { name: 'retry-after', format: 'seconds' },
        { name: 'x-reset', format: 'unix-time' },
      ],
      maxIntervalMs: 300_000,
    });
    expect(compile({}).rateLimited).toBeUndefined();
    expect(() => compile({ rateLimitedRetryBackOff: {} })).toThrow(/names no header/);
  });
});

describe('hosts that retries leave out', () => {
  const predicate = (name: string, typeName?: string, value = new Uint8Array()) => ({
    retryHostPredicate: [
      {
        name,
        ...(typeName === undefined
          ? {}
          : { configType: { case: 'typedConfig' as const, value: { typeUrl: `t/${typeName}`, value } } }),
      },
    ],
  });
  it('are those tried, canaries, or those with certain metadata', () => {
    expect(compile(predicate('envoy.retry_host_predicates.previous_hosts'))).toMatchObject({
      avoidPreviousHosts: true,
      omittedHosts: [],
    });
    const canary = 'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate';
    expect(compile(predicate('x', canary))).toMatchObject({
      avoidPreviousHosts: false,
      omittedHosts: [{ canary: true }],
    });
    const metadataMatch = { filterMetadata: { 'envoy.lb': { stage: 'test' } } };
    const bytes = toBinary(OmitHostMetadataConfigSchema, create(OmitHostMetadataConfigSchema, { metadataMatch }));
    expect(compile(predicate('x', OmitHostMetadataConfigSchema.typeName, bytes)).omittedHosts).toEqual([
      { stage: 'test' },
    ]);
  });
  it('by a predicate that is not known are refused', () => {
    expect(() => compile(predicate('mine'))).toThrow(/retry_host_predicate\[0\].*"mine" is not supported/);
  });
});

describe('another priority', () => {
  const priority = (value: Uint8Array, name: string) => ({
    retryPriority: { name: 'x', configType: { case: 'typedConfig' as const, value: { typeUrl: `t/${name}`, value } } },
  });
  it('comes after so many attempts', () => {
    const bytes = toBinary(
      PreviousPrioritiesConfigSchema,
      create(PreviousPrioritiesConfigSchema, { updateFrequency: 2 }),
    );
    expect(compile(priority(bytes, PreviousPrioritiesConfigSchema.typeName)).otherPriorityEvery).toBe(2);
    expect(compile({}).otherPriorityEvery).toBe(0);
  });
  it('of a kind that is not known is refused', () => {
    expect(() => compile(priority(new Uint8Array(), 'a.B'))).toThrow(/retry_priority.*not supported/);
  });
});

describe('a cookie to hash', () => {
  type Cookie = Extract<
    NonNullable<
      Exclude<MessageInitShape<typeof RouteAction_HashPolicySchema>, { $typeName: string }>['policySpecifier']
    >,
    { case: 'cookie' }
  >['value'];
  const hash = (value: Cookie) =>
    compileForward(
      create(RouteActionSchema, { hashPolicy: [{ policySpecifier: { case: 'cookie', value } }] }),
      { retry: undefined, mirrors: [], rateLimits: [] },
      regex,
      place,
    ).hashPolicies[0];
  it('has a time to live, a path and attributes', () => {
    const attributes = [{ name: 'SameSite', value: 'Lax' }];
    expect(hash({ name: 'u', path: '/', ttl: { seconds: 1n }, attributes })).toEqual({
      kind: 'cookie',
      name: 'u',
      ttlMs: 1000,
      path: '/',
      attributes,
      terminal: false,
    });
    expect(hash({ name: 'u' })).toMatchObject({ ttlMs: undefined });
  });
  it.each([
    { name: 'u;v' },
    { name: '' },
    { name: 'u', path: '/\r\nx: y' },
    { name: 'u', attributes: [{ name: 'a', value: 'b; Domain=evil' }] },
  ])('can not put anything else into the header: %j', (cookie) => {
    expect(() => hash(cookie)).toThrow(/can not have/);
  });
});
