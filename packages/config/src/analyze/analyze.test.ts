import { describe, expect, it } from 'vitest';
import { parseConfig } from '../parse-config.ts';
import { analyze } from './analyze.ts';
import { UNKNOWN_WORLD, type World } from './world.ts';

const workload = (app: string, version: string) => ({ namespace: 'default', labels: { app, version } });
const WORLD: World = {
  complete: true,
  services: ['productpage', 'reviews', 'ratings'].map((name) => ({
    hostname: `${name}.default.svc.cluster.local`,
    ports: [{ number: 9080, name: 'http' }],
    workloads: [
      { app: name, version: 'v1' },
      { app: name, version: 'v2' },
    ],
  })),
  workloads: [
    workload('reviews', 'v1'),
    workload('reviews', 'v2'),
    { namespace: 'weft-system', labels: { istio: 'ingressgateway' } },
  ],
};

const NET = 'networking.istio.io/v1';
const SEC = 'security.istio.io/v1';
const object = (apiVersion: string, kind: string, name: string, spec: string, annotations = ''): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}${annotations}}\nspec: ${spec}\n`;
const vs = (name: string, spec: string, annotations = ''): string =>
  object(NET, 'VirtualService', name, spec, annotations);
const REVIEWS_RULE = object(
  NET,
  'DestinationRule',
  'reviews',
  '{host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}',
);
const GATEWAY = object(
  NET,
  'Gateway',
  'edge',
  '{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]}',
);

function said(texts: readonly string[], world = WORLD): string[] {
  const { objects, problems } = parseConfig(texts.join('---\n'), 'f');
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  return analyze(
    objects.map((parsed) => parsed.object),
    world,
  ).map(({ code, istioCode, path, object: key }) =>
    [code, istioCode, key, path].filter((word) => word !== undefined).join(' '),
  );
}

describe('analyze', () => {
  it.each<[string, string[], string[]]>([
    [
      'all there',
      [
        vs(
          'a',
          '{hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v1, port: {number: 9080}}}]}]}',
        ),
        REVIEWS_RULE,
      ],
      [],
    ],
    [
      'unknown host',
      [vs('a', '{hosts: [reviews], http: [{route: [{destination: {host: review}}]}]}')],
      ['W0040 IST0101 VirtualService/default/a spec.http[0].route[0].destination.host'],
    ],
    [
      'host of a service entry',
      [
        vs('a', '{hosts: [reviews], http: [{route: [{destination: {host: a.example.com}}]}]}'),
        object(
          NET,
          'ServiceEntry',
          'a',
          '{hosts: ["*.example.com"], resolution: STATIC, endpoints: [{address: 10.0.0.1}]}',
        ),
      ],
      [],
    ],
    [
      'host of a Service object',
      [
        vs('a', '{hosts: [b], http: [{route: [{destination: {host: b}}]}]}'),
        object('v1', 'Service', 'b', '{ports: [{name: http, port: 1}]}'),
      ],
      [],
    ],
    [
      'mirror',
      [vs('a', '{hosts: [reviews], http: [{route: [{destination: {host: reviews}}], mirror: {host: nowhere}}]}')],
      ['W0040 IST0101 VirtualService/default/a spec.http[0].mirror.host'],
    ],
    [
      'undefined subset',
      [vs('a', '{hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v3}}]}]}'), REVIEWS_RULE],
      ['W0040 IST0101 VirtualService/default/a spec.http[0].route[0].destination.subset'],
    ],
    [
      'unknown port',
      [vs('a', '{hosts: [reviews], http: [{route: [{destination: {host: reviews, port: {number: 80}}}]}]}')],
      ['W0040 IST0101 VirtualService/default/a spec.http[0].route[0].destination.port.number'],
    ],
    [
      'unknown gateway',
      [
        vs('a', '{hosts: [a.example.com], gateways: [edg], http: [{route: [{destination: {host: reviews}}]}]}'),
        GATEWAY,
      ],
      ['W0041 IST0101 VirtualService/default/a spec.gateways[0]'],
    ],
    [
      'host not served',
      [
        vs('a', '{hosts: [a.example.org], gateways: [./edge], http: [{route: [{destination: {host: reviews}}]}]}'),
        GATEWAY,
      ],
      ['W0041 IST0132 VirtualService/default/a spec.hosts[0]'],
    ],
    [
      'host served',
      [vs('a', '{hosts: ["*"], gateways: [default/edge], http: [{route: [{destination: {host: reviews}}]}]}'), GATEWAY],
      [],
    ],
    [
      'same host twice',
      ['a', 'b'].map((name) => vs(name, '{hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}')),
      ['W0043 IST0109 VirtualService/default/b spec.hosts[0]'],
    ],
    [
      'rule for nothing',
      [object(NET, 'DestinationRule', 'a', '{host: nowhere}')],
      ['W0040 IST0174 DestinationRule/default/a spec.host'],
    ],
    [
      'subset of nothing',
      [object(NET, 'DestinationRule', 'a', '{host: reviews, subsets: [{name: v9, labels: {version: v9}}]}')],
      ['W0044 IST0173 DestinationRule/default/a spec.subsets[0].labels'],
    ],
    [
      'selector',
      [object(SEC, 'AuthorizationPolicy', 'a', '{selector: {matchLabels: {app: nobody}}, rules: [{}]}')],
      ['W0044 IST0127 AuthorizationPolicy/default/a spec.selector'],
    ],
    [
      'selector that fits',
      [object(SEC, 'AuthorizationPolicy', 'a', '{selector: {matchLabels: {app: reviews}}, rules: [{}]}')],
      [],
    ],
    [
      'gateway selector',
      [GATEWAY.replace('ingressgateway', 'other')],
      ['W0044 IST0101 Gateway/default/edge spec.selector'],
    ],
    [
      'two defaults',
      ['a', 'b'].map((name) => object(SEC, 'PeerAuthentication', name, '{mtls: {mode: STRICT}}')),
      ['W0043 PeerAuthentication/default/b spec'],
    ],
    [
      'two sidecars',
      ['a', 'b'].map((name) => object(NET, 'Sidecar', name, '{egress: [{hosts: ["./*"]}]}')),
      ['W0043 IST0111 Sidecar/default/b spec'],
    ],
    [
      'two gateways',
      [GATEWAY, GATEWAY.replace('name: edge', 'name: edge2')],
      ['W0043 IST0145 Gateway/default/edge2 spec.servers[0].hosts'],
    ],
    [
      'handler and instance',
      [object('config.istio.io/v1alpha2', 'rule', 'r', '{actions: [{handler: h, instances: [i, j.instance.other]}]}')],
      [
        'W0045 rule/default/r spec.actions[0].handler',
        'W0045 rule/default/r spec.actions[0].instances[0]',
        'W0045 rule/default/r spec.actions[0].instances[1]',
      ],
    ],
    [
      'old kinds by name.kind',
      [
        object(
          'config.istio.io/v1alpha2',
          'rule',
          'r',
          '{actions: [{handler: h.denier, instances: [i.checknothing.default]}]}',
        ),
        object('config.istio.io/v1alpha2', 'denier', 'h', '{}'),
        object('config.istio.io/v1alpha2', 'checknothing', 'i', '{}'),
      ],
      [],
    ],
    [
      'port name',
      [object('v1', 'Service', 'b', '{ports: [{name: web, port: 1}]}')],
      ['W0023 IST0118 Service/default/b spec.ports[0]'],
    ],
    [
      'told not to',
      [
        vs(
          'a',
          '{hosts: [reviews], http: [{route: [{destination: {host: nowhere}}]}]}',
          ', annotations: {galley.istio.io/analyze-suppress: "IST0001, IST0101"}',
        ),
      ],
      [],
    ],
  ])('%s', (_, texts, expected) => {
    expect(said(texts).toSorted()).toEqual(expected);
  });

  it('says nothing about what it can not know', () => {
    expect(
      said(
        [
          vs('a', '{hosts: [x], http: [{route: [{destination: {host: x}}]}]}'),
          object(NET, 'DestinationRule', 'a', '{host: z}'),
          GATEWAY,
        ],
        UNKNOWN_WORLD,
      ),
    ).toEqual([]);
  });

  it('gives the line of the field when it is told how to find it', () => {
    const { objects } = parseConfig(
      vs('a', '\n  hosts: [reviews]\n  http:\n  - route:\n    - destination: {host: nowhere}'),
      'f',
    );
    const [parsed] = objects;
    const [problem] = analyze([parsed!.object], WORLD, {
      locate: (_, path) => ({ file: 'f', ...parsed!.locate(path) }),
    });
    expect(problem).toMatchObject({ file: 'f', line: 8, column: 27, severity: 'warning' });
  });
});
