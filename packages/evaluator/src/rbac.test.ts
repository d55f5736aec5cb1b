import { WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cidrTest, parseAddress } from './ip.ts';
import { compileRbac } from './rbac.ts';
import { createRegexEngine } from './regex.ts';
import { factsOf, rbac } from './test-support/builders.ts';

const regex = createRegexEngine();
type Json = Parameters<typeof rbac>[0];
const JASON = 'spiffe://cluster.local/ns/default/sa/jason';
const compile = (json: Json) => compileRbac(rbac(json), { regex }, 'Listener "in"');
const ANY = [{ any: true }];
const allowed = (permissions: Json, principals: Json, facts: Parameters<typeof factsOf>[0]) =>
  compile({ action: 'ALLOW', policies: { p: { permissions, principals } } }).check(factsOf(facts)).allowed;

describe('principals', () => {
  it.each<[string, Json, Parameters<typeof factsOf>[0], boolean]>([
    ['by name', { authenticated: { principalName: { exact: JASON } } }, { principals: [JASON] }, true],
    ['by another name', { authenticated: { principalName: { exact: JASON } } }, { principals: [`${JASON}2`] }, false],
    ['by suffix', { authenticated: { principalName: { suffix: '/sa/jason' } } }, { principals: ['x', JASON] }, true],
    ['by name on a plain connection', { authenticated: { principalName: { prefix: 'spiffe://' } } }, {}, false],
    ['anybody with a certificate', { authenticated: {} }, { principals: [JASON] }, true],
    ['anybody with a certificate, plain', { authenticated: {} }, {}, false],
    [
      'address of the peer',
      { directRemoteIp: { addressPrefix: '10.0.0.0', prefixLen: 8 } },
      { directRemoteIp: '10.9.8.7' },
      true,
    ],
    [
      'address of the peer, mapped',
      { directRemoteIp: { addressPrefix: '10.0.0.0', prefixLen: 8 } },
      { directRemoteIp: '::ffff:10.9.8.7' },
      true,
    ],
    [
      'address of the client',
      { remoteIp: { addressPrefix: '10.0.0.0', prefixLen: 8 } },
      { directRemoteIp: '10.9.8.7', remoteIp: '11.0.0.1' },
      false,
    ],
    [
      'address of the client, older',
      { sourceIp: { addressPrefix: '2001:db8::', prefixLen: 32 } },
      { remoteIp: '2001:db8:1::5' },
      true,
    ],
    ['no address', { directRemoteIp: { addressPrefix: '0.0.0.0', prefixLen: 0 } }, { directRemoteIp: '' }, false],
    ['header', { header: { name: 'x', stringMatch: { exact: '1' } } }, { headers: { x: '1' } }, true],
    ['path', { urlPath: { path: { prefix: '/a' } } }, { path: '/ab' }, true],
    [
      'metadata',
      { metadata: { filter: 'f', path: [{ key: 'a' }, { key: 'b' }], value: { stringMatch: { exact: 'v' } } } },
      { metadata: { 'f/a/b': 'v' } },
      true,
    ],
    [
      'metadata in a list',
      {
        metadata: {
          filter: 'f',
          path: [{ key: 'a' }],
          value: { listMatch: { oneOf: { stringMatch: { exact: 'v' } } } },
        },
      },
      { metadata: { 'f/a': ['u', 'v'] } },
      true,
    ],
    [
      'metadata, inverted',
      { metadata: { filter: 'f', path: [{ key: 'a' }], value: { boolMatch: true }, invert: true } },
      {},
      true,
    ],
    [
      'metadata number',
      { metadata: { filter: 'f', path: [{ key: 'a' }], value: { doubleMatch: { range: { start: 1, end: 2 } } } } },
      { metadata: { 'f/a': 1.5 } },
      true,
    ],
    [
      'metadata, one of',
      {
        metadata: {
          filter: 'f',
          path: [{ key: 'a' }],
          value: { orMatch: { valueMatchers: [{ nullMatch: {} }, { presentMatch: false }] } },
        },
      },
      {},
      true,
    ],
    ['and', { andIds: { ids: [{ any: true }, { authenticated: {} }] } }, {}, false],
    ['or', { orIds: { ids: [{ authenticated: {} }, { any: true }] } }, {}, true],
    ['not', { notId: { authenticated: {} } }, {}, true],
  ])('%s', (_, principal, facts, expected) => {
    expect(allowed(ANY, [principal], facts)).toBe(expected);
  });
});

describe('permissions', () => {
  it.each<[string, Json, Parameters<typeof factsOf>[0], boolean]>([
    ['method', { header: { name: ':method', stringMatch: { exact: 'GET' } } }, {}, true],
    ['path without query', { urlPath: { path: { exact: '/a' } } }, { path: '/a', query: 'b' }, true],
    ['port', { destinationPort: 9080 }, {}, true],
    ['another port', { destinationPort: 9081 }, {}, false],
    ['ports', { destinationPortRange: { start: 9000, end: 9080 } }, {}, false],
    ['destination', { destinationIp: { addressPrefix: '127.66.0.0', prefixLen: 16 } }, {}, true],
    ['server name', { requestedServerName: { suffix: '.local' } }, { requestedServerName: 'a.local' }, true],
    ['and', { andRules: { rules: [{ destinationPort: 9080 }, { destinationPort: 1 }] } }, {}, false],
    ['or', { orRules: { rules: [{ destinationPort: 1 }, { destinationPort: 9080 }] } }, {}, true],
    ['not', { notRule: { destinationPort: 9080 } }, {}, false],
  ])('%s', (_, permission, facts, expected) => {
    expect(allowed([permission], ANY, facts)).toBe(expected);
  });
});

describe('actions', () => {
  const policies = {
    b: { permissions: [{ destinationPort: 9080 }], principals: ANY },
    a: { permissions: [{ destinationPort: 1 }], principals: ANY },
  };
  it.each([
    ['ALLOW', 9080, true, 'b'],
    ['ALLOW', 1, true, 'a'],
    ['ALLOW', 2, false, ''],
    ['DENY', 9080, false, 'b'],
    ['DENY', 2, true, ''],
    ['LOG', 9080, true, 'b'],
    ['LOG', 2, true, ''],
  ])('%s at port %d', (action, destinationPort, expected, policy) => {
    const verdict = compile({ action, policies }).check(factsOf({ destinationPort }));
    expect(verdict).toEqual({ allowed: expected, policy });
  });
  it('allows nobody when there is no policy to allow', () => {
    expect(compile({ action: 'ALLOW' }).check(factsOf()).allowed).toBe(false);
    expect(compile({ action: 'DENY' }).check(factsOf()).allowed).toBe(true);
  });
});

describe('refusals', () => {
  it.each<[string, Json]>([
    ['Listener "in": rules.policies["p"]: the list is empty', { policies: { p: { permissions: ANY } } }],
    ['principals[0]: no identifier is set', { policies: { p: { permissions: ANY, principals: [{}] } } }],
    ['permissions[0].any: must be true', { policies: { p: { permissions: [{ any: false }], principals: ANY } } }],
    [
      '"10.0.0.0/33" is not an address range',
      {
        policies: { p: { permissions: ANY, principals: [{ remoteIp: { addressPrefix: '10.0.0.0', prefixLen: 33 } }] } },
      },
    ],
    [
      'and_ids[0].authenticated.principal_name.safe_regex: "(" is not a valid',
      {
        policies: {
          p: {
            permissions: ANY,
            principals: [{ andIds: { ids: [{ authenticated: { principalName: { safeRegex: { regex: '(' } } } }] } }],
          },
        },
      },
    ],
  ])('%s', (message, json) => {
    expect(() => compile(json)).toThrow(message);
  });
  it('refuses a condition that it does not know', () => {
    const rules = rbac({ policies: { p: { permissions: ANY, principals: ANY } } });
    const policy = rules.policies['p'];
    if (policy === undefined) throw new Error('no policy');
    policy.$unknown = [{ no: 3, wireType: WireType.LengthDelimited, data: new Uint8Array() }];
    expect(() => compileRbac(rules, { regex }, 'x')).toThrow('policies["p"]: field number 3 is not supported here');
  });
});

describe('addresses', () => {
  it.each(['1.2.3', '256.1.1.1', ':::', '1::2::3', 'g::', '1:2:3:4:5:6:7', '12345::', 'host'])('%s is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
  it('an address is in every range made from it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, length) => {
        const bits = address.includes(':') ? length : length % 33;
        const words = parseAddress(address);
        expect(words).toBeDefined();
        expect(words && cidrTest(address, bits)?.(words)).toBe(true);
      }),
    );
  });
  it('a range keeps out what differs in its last bit', () => {
    const test = cidrTest('192.168.1.128', 25);
    expect(test?.(parseAddress('192.168.1.127') ?? [0, 0, 0, 0])).toBe(false);
    expect(test?.(parseAddress('192.168.1.255') ?? [0, 0, 0, 0])).toBe(true);
  });
});

describe('a repeated header', () => {
  const lines = (...values: string[]) => ({
    headers: { 'x-role': values.join(',') },
    headerLines: () => values,
  });
  const role = (stringMatch: Json) => ({ header: { name: 'x-role', stringMatch } });
  const check = (action: string, permission: Json, facts: Parameters<typeof factsOf>[0]) =>
    compile({ action, policies: { p: { permissions: [permission], principals: ANY } } }).check(factsOf(facts)).allowed;

  it.each<[string, string, Json, Parameters<typeof factsOf>[0], boolean]>([
    ['ALLOW wants every line', 'ALLOW', role({ exact: 'admin' }), lines('admin', 'user'), false],
    ['ALLOW wants every line, in any order', 'ALLOW', role({ prefix: 'adm' }), lines('admin', 'user'), false],
    ['ALLOW takes lines that all hold', 'ALLOW', role({ exact: 'admin' }), lines('admin', 'admin'), true],
    ['ALLOW takes one line with a comma as it is', 'ALLOW', role({ exact: 'a,b' }), lines('a,b'), true],
    ['DENY finds the first line', 'DENY', role({ exact: 'guest' }), lines('guest', 'user'), false],
    ['DENY finds the last line', 'DENY', role({ exact: 'guest' }), lines('user', 'guest'), false],
    ['DENY finds what only the whole says', 'DENY', role({ exact: 'a,b' }), lines('a', 'b'), false],
    ['DENY lets others pass', 'DENY', role({ exact: 'guest' }), lines('user', 'admin'), true],
    ['ALLOW unless one line is named', 'ALLOW', { notRule: role({ exact: 'guest' }) }, lines('user', 'guest'), false],
    ['DENY unless every line is named', 'DENY', { notRule: role({ exact: 'user' }) }, lines('user', 'guest'), false],
    [
      'DENY unless every line is named, and all are',
      'DENY',
      { notRule: role({ exact: 'user' }) },
      lines('user', 'user'),
      true,
    ],
    [
      'ALLOW with an inverted matcher wants it of every line',
      'ALLOW',
      { header: { name: 'x-role', stringMatch: { exact: 'guest' }, invertMatch: true } },
      lines('user', 'guest'),
      false,
    ],
  ])('%s', (_, action, permission, facts, expected) => {
    expect(check(action, permission, facts)).toBe(expected);
  });
});
