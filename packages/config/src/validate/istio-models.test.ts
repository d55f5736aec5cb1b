/** Our schemas beside an outside copy of Istio 1.29’s: the same fields, and the same verdict on the same objects. */
import { readFileSync } from 'node:fs';
import { kindInfo, type KindName } from '@weft/contracts/config';
import * as networking from '@kubernetes-models/istio/networking.istio.io/v1';
import * as security from '@kubernetes-models/istio/security.istio.io/v1';
import * as telemetry from '@kubernetes-models/istio/telemetry.istio.io/v1';
import type { TSchema } from 'typebox';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseConfig } from '../parse-config.ts';
import { isError } from '../problems.ts';

const KINDS = [
  'Gateway',
  'VirtualService',
  'DestinationRule',
  'ServiceEntry',
  'WorkloadEntry',
  'Sidecar',
  'PeerAuthentication',
  'RequestAuthentication',
  'AuthorizationPolicy',
  'Telemetry',
] as const satisfies readonly KindName[];

/** Every path of fields below `spec`; lists add nothing, keys of maps are `*`. */
function ourFields(schema: TSchema, path: string, out: Set<string>): Set<string> {
  const view = schema as {
    readonly properties?: Record<string, TSchema>;
    readonly patternProperties?: Record<string, TSchema>;
    readonly items?: TSchema;
  };
  if (view.items !== undefined) ourFields(view.items, path, out);
  for (const [name, field] of Object.entries(view.properties ?? {})) {
    out.add(`${path}.${name}`);
    ourFields(field, `${path}.${name}`, out);
  }
  for (const value of Object.values(view.patternProperties ?? {})) {
    out.add(`${path}.*`);
    ourFields(value, `${path}.*`, out);
  }
  return out;
}

/** The same from a declaration file. Alternatives of a union repeat the fields of the message before them. */
function theirFields(kind: KindName): Set<string> {
  const { group } = kindInfo(kind);
  const url = new URL(`../../node_modules/@kubernetes-models/istio/${group}/v1/${kind}.d.ts`, import.meta.url);
  const source = readFileSync(url, 'utf8').replaceAll(/\/\*\*[\s\S]*?\*\//g, '');
  const body = source.slice(source.indexOf('{', source.indexOf('export interface')), source.indexOf('export declare'));
  const out = new Set<string>();
  const open: string[] = [];
  let named: string | undefined;
  let closed = '';
  for (const [token, name] of body.matchAll(/"([\w-]+)"\??:|\[key: string\]:|[{};]/g)) {
    const parent = open.at(-1) ?? '';
    if (token === '{') {
      open.push(named ?? closed);
      named = undefined;
    } else if (token === '}') {
      closed = open.pop() ?? '';
      named = undefined;
    } else if (token === ';') {
      named = undefined;
    } else {
      named = `${parent === '' ? '' : `${parent}.`}${name ?? '*'}`;
      closed = named;
      if (named.startsWith('spec.')) out.add(named);
    }
  }
  return out;
}

/** Fields that one side has alone, with the reason. A path stands for all that is below it. */
const ONLY_THEIRS: Readonly<Record<string, string>> = {
  'spec.http.mirror_percent': 'the snake_case spelling; ours accepts it for every field',
  'spec.jwtRules.jwks_uri': 'the snake_case spelling; ours accepts it for every field',
};
const ONLY_OURS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/\.http2KeepAlive\b/, 'Istio 1.31'],
  [/\.zoneAwareLbSetting\b/, 'Istio 1.31'],
  [/\.outlierDetectionHttpErrorCodes$/, 'Istio 1.31'],
  [/\.redirect\.prefixRewrite$/, 'Istio 1.31'],
  [/\.retryBudget\.budgetInterval$/, 'in the API since 1.28, left out of the generated definitions'],
  [/\.(?:servers|ingress)\.tls\.insecureSkipVerify$/, 'Istio 1.31'],
  [/\.(?:trustDomains|notTrustDomains)$/, 'Istio 1.30'],
  [/\.disableContextPropagation$/, 'Istio 1.30'],
];

describe('field sets', () => {
  it.each(KINDS)('%s has every field of Istio, and no other', (kind) => {
    const ours = ourFields(kindInfo(kind).spec, 'spec', new Set());
    const theirs = theirFields(kind);
    expect(theirs.size).toBeGreaterThan(2);
    expect([...theirs].filter((field) => !ours.has(field) && ONLY_THEIRS[field] === undefined)).toEqual([]);
    expect(
      [...ours].filter((field) => !theirs.has(field) && !ONLY_OURS.some(([pattern]) => pattern.test(field))),
    ).toEqual([]);
  });
});

it('no exception is out of date', () => {
  const all = KINDS.flatMap((kind) => [...ourFields(kindInfo(kind).spec, 'spec', new Set())]);
  const theirs = new Set(KINDS.flatMap((kind) => [...theirFields(kind)]));
  const unused = ONLY_OURS.filter(([pattern]) => !all.some((field) => pattern.test(field) && !theirs.has(field)));
  expect(unused).toEqual([]);
  expect(Object.keys(ONLY_THEIRS).filter((field) => !theirs.has(field))).toEqual([]);
});

const MODELS = { ...networking, ...security, ...telemetry };

function theirVerdict(kind: (typeof KINDS)[number], spec: unknown): boolean {
  try {
    new MODELS[kind]({ metadata: { name: 'x' }, spec } as never).validate();
    return true;
  } catch {
    return false;
  }
}

/** Our verdict on the types alone: what is refused because it is not enforced yet is a matter of its own. */
function ourVerdict(kind: (typeof KINDS)[number], spec: unknown): boolean {
  const { group } = kindInfo(kind);
  const text = stringify(
    { apiVersion: `${group}/v1`, kind, metadata: { name: 'x' }, spec },
    { version: '1.1', aliasDuplicateObjects: false },
  );
  return !parseConfig(text, 'x').problems.some((problem) => isError(problem) && problem.code !== 'W0030');
}

const route = [{ destination: { host: 'reviews' } }];
const SAME: readonly (readonly [kind: (typeof KINDS)[number], spec: unknown, good: boolean])[] = [
  ['VirtualService', { hosts: ['reviews'], http: [{ route }] }, true],
  ['VirtualService', { hosts: 'reviews', http: [{ route }] }, false],
  ['VirtualService', { hosts: ['reviews'], http: [{ route: [{ destination: {} }] }] }, false],
  ['VirtualService', { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'a' }, weight: '1' }] }] }, false],
  ['VirtualService', { hosts: ['reviews'], http: [{ route, timeout: '1.5s' }] }, true],
  ['VirtualService', { hosts: ['reviews'], http: [{ match: [{ uri: { exact: '/a', prefix: '/b' } }], route }] }, false],
  ['VirtualService', { hosts: ['reviews'], http: [{ match: [{ headers: { 'x-a': {} } }], route }] }, true],
  ['VirtualService', { hosts: ['reviews'], http: [{ route, corsPolicy: { unmatchedPreflights: 'MAYBE' } }] }, false],
  ['DestinationRule', { host: 'reviews', subsets: [{ name: 'v1', labels: { version: 'v1' } }] }, true],
  ['DestinationRule', { subsets: [] }, false],
  ['DestinationRule', { host: 'reviews', trafficPolicy: { loadBalancer: { simple: 'ROBIN' } } }, false],
  [
    'DestinationRule',
    { host: 'reviews', trafficPolicy: { loadBalancer: { simple: 'RANDOM', consistentHash: { useSourceIp: true } } } },
    false,
  ],
  ['Gateway', { servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] }, true],
  ['Gateway', { servers: [{ port: { number: 80, protocol: 'HTTP' }, hosts: ['*'] }] }, false],
  ['Gateway', { servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' } }] }, false],
  [
    'ServiceEntry',
    { hosts: ['a.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' },
    true,
  ],
  ['ServiceEntry', { hosts: [], resolution: 'DNS' }, false],
  ['ServiceEntry', { hosts: ['a.example.com'], resolution: 'MAGIC' }, false],
  ['WorkloadEntry', { address: '10.0.0.1', ports: { http: 8080 } }, true],
  ['Sidecar', { egress: [{ hosts: ['./*'] }] }, true],
  ['Sidecar', { egress: [{}] }, false],
  ['Sidecar', { outboundTrafficPolicy: { mode: 'DENY' } }, false],
  ['PeerAuthentication', { mtls: { mode: 'STRICT' } }, true],
  ['PeerAuthentication', { mtls: { mode: 'strict' } }, false],
  ['RequestAuthentication', { jwtRules: [{ issuer: 'a', jwksUri: 'https://a.example.com' }] }, true],
  ['RequestAuthentication', { jwtRules: [{ issuer: 'a', fromHeaders: [{ prefix: 'x' }] }] }, false],
  ['AuthorizationPolicy', { action: 'DENY', rules: [{ to: [{ operation: { methods: ['GET'] } }] }] }, true],
  ['AuthorizationPolicy', { action: 'FORBID' }, false],
  ['AuthorizationPolicy', { rules: [{ when: [{ values: ['a'] }] }] }, false],
  ['Telemetry', { tracing: [{ randomSamplingPercentage: 10 }] }, true],
  ['Telemetry', { tracing: [{ randomSamplingPercentage: 101 }] }, false],
  ['Telemetry', { metrics: [{ overrides: [{ match: { metric: 'EVERYTHING' } }] }] }, false],
];

/** Verdicts that only Istio’s webhook gives; the generated definitions let these pass. */
const STRICTER: readonly (readonly [kind: (typeof KINDS)[number], spec: unknown, why: string])[] = [
  [
    'VirtualService',
    { hosts: ['reviews'], http: [{ route, timeout: '5x' }] },
    'checked by expressions that the definitions lack: durations',
  ],
  [
    'VirtualService',
    { hosts: ['reviews'], http: [{ route, timeout: '0s' }] },
    'checked by expressions that the definitions lack: durations of at least 1 ms',
  ],
  ['VirtualService', { hosts: ['reviews'], http: [{ directResponse: { status: 700 } }] }, 'statuses are in range'],
  [
    'DestinationRule',
    { host: 'reviews', trafficPolicy: { outlierDetection: { interval: 'soon' } } },
    'checked by expressions that the definitions lack: durations',
  ],
  [
    'ServiceEntry',
    { hosts: ['a.example.com'], ports: [{ number: 0, name: 'http' }], resolution: 'DNS' },
    'checked by expressions that the definitions lack: ports',
  ],
  [
    'WorkloadEntry',
    { address: '10.0.0.1', ports: { http: 80_800 } },
    'checked by expressions that the definitions lack: ports',
  ],
  ['WorkloadEntry', {}, 'checked by expressions that the definitions lack: an address is needed'],
  [
    'PeerAuthentication',
    { mtls: { mode: 'STRICT' }, portLevelMtls: { '8080': { mode: 'DISABLE' } } },
    'checked by expressions that the definitions lack: port settings need a selector',
  ],
  [
    'VirtualService',
    { hosts: ['reviews'], http: [{ rout: route }] },
    'unknown fields are pruned by Kubernetes, and errors here',
  ],
  [
    'VirtualService',
    { hosts: ['reviews'], http: [{ route, redirect: { uri: '/' } }] },
    'route and redirect exclude each other',
  ],
  [
    'VirtualService',
    { hosts: ['reviews'], http: [{ match: [{ uri: { regex: '(' } }], route }] },
    'regular expressions are compiled',
  ],
  ['DestinationRule', { host: 'reviews', subsets: [{ name: 'v1' }, { name: 'v1' }] }, 'subsets are unique'],
];

describe('verdicts', () => {
  it.each(SAME)('%s %j: %s', (kind, spec, good) => {
    expect({ ours: ourVerdict(kind, spec), theirs: theirVerdict(kind, spec) }).toEqual({ ours: good, theirs: good });
  });
  it.each(STRICTER)('%s %j is refused here only: %s', (kind, spec) => {
    expect({ ours: ourVerdict(kind, spec), theirs: theirVerdict(kind, spec) }).toEqual({ ours: false, theirs: true });
  });
});
