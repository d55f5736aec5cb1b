/** One row per rule: the spec, and what is said about it. `ok` rows guard against rules that say too much. */
import { kindInfo, type KindName } from '@weft/contracts/config';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseConfig } from '../parse-config.ts';

type Row = readonly [what: string, spec: unknown, said: string];

const route = [{ destination: { host: 'reviews' } }];
const vs = (http: unknown, more: object = {}): unknown => ({ hosts: ['reviews'], http: [http], ...more });
const match = (block: unknown): unknown => vs({ match: [block], route });
const dr = (trafficPolicy: unknown): unknown => ({ host: 'reviews', trafficPolicy });
const server = (more: object, port: object = {}): unknown => ({
  servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP', ...port }, hosts: ['*'], ...more }],
});
const se = (more: object): unknown => ({
  hosts: ['a.example.com'],
  ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  resolution: 'DNS',
  ...more,
});
const ap = (rule: unknown): unknown => ({ rules: [rule] });
const source = (fields: object): unknown => ap({ from: [{ source: fields }] });
const operation = (fields: object): unknown => ap({ to: [{ operation: fields }] });

const bucket = (fillInterval = '1s', maxTokens = 1): object => ({ maxTokens, fillInterval });
const lrl = (limit: object): unknown => ({ limits: [limit] });
const counted = { rateLimits: [{ actions: [{ remoteAddress: {} }] }] };
const described = (value: string, fillInterval = '1s'): object => ({
  entries: [{ key: 'k', value }],
  tokenBucket: bucket(fillInterval),
});

const ROWS: Readonly<Partial<Record<KindName, readonly Row[]>>> = {
  HealthCheckPolicy: [
    ['by HTTP', { host: 'a', http: { path: '/' } }, 'ok'],
    ['by TCP', { host: 'a', port: 80, tcp: {} }, 'ok'],
    ['by gRPC', { host: 'a', subset: 'v1', grpc: { service: 's' }, interval: '1s', timeout: '500ms' }, 'ok'],
    ['by nothing', { host: 'a' }, 'W0015 spec'],
    ['by two', { host: 'a', tcp: {}, grpc: {} }, 'W0015 spec'],
    ['of nobody', { tcp: {} }, 'W0012 spec'],
    ['a path of nowhere', { host: 'a', http: { path: 'well' } }, 'W0013 spec.http.path'],
    [
      'a header that is none',
      { host: 'a', http: { path: '/', headers: { 'a b': 'c' } } },
      'W0013 spec.http.headers["a b"]',
    ],
    ['a threshold of nothing', { host: 'a', tcp: {}, healthyThreshold: 0 }, 'W0014 spec.healthyThreshold'],
    ['a question without an answer', { host: 'a', tcp: { send: 'x' } }, 'W0024 spec.tcp.send'],
  ],
  MeshConfig: [
    ['logs', { accessLogFile: '/dev/stdout', accessLogFormat: '%PROTOCOL% %%' }, 'ok'],
    ['logs in JSON', { accessLogEncoding: 'JSON', accessLogFormat: '{"a":"%PROTOCOL%"}' }, 'ok'],
    ['gateways', { defaultConfig: { gatewayTopology: { numTrustedProxies: 1, proxyProtocol: {} } } }, 'ok'],
    ['JSON that is none', { accessLogEncoding: 'JSON', accessLogFormat: '%PROTOCOL%' }, 'W0024 spec.accessLogFormat'],
    ['JSON that is no object', { accessLogEncoding: 'JSON', accessLogFormat: '[]' }, 'W0024 spec.accessLogFormat'],
    ['a percent sign', { accessLogFormat: '100%' }, 'W0013 spec.accessLogFormat'],
    ['an operator of nobody', { accessLogFormat: '%PROTOCOL% %RESPONSE_COD%' }, 'W0013 spec.accessLogFormat'],
    [
      'an operator of nobody, in JSON',
      { accessLogEncoding: 'JSON', accessLogFormat: '{"a":{"b":["%protocol%"]}}' },
      'W0013 spec.accessLogFormat',
    ],
    [
      'all forms of operators',
      { accessLogFormat: '[%START_TIME(%Y-%m-%d)%] %REQ(X-A?:PATH):10% 5%% %COALESCE({"operators": ["TRACE_ID"]}):3%' },
      'ok',
    ],
    ['a field that nobody reads yet', { ingressClass: 'istio' }, 'W0031 spec.ingressClass'],
    ['a field that restricts', { meshMTLS: { minProtocolVersion: 'TLSV1_3' } }, 'W0030 spec.meshMTLS'],
    ['a field of nobody', { accessLogFiles: 'x' }, 'W0010 spec.accessLogFiles'],
    [
      'a setting of nobody',
      { defaultConfig: { gatewayTopology: { trusted: 1 } } },
      'W0010 spec.defaultConfig.gatewayTopology.trusted',
    ],
  ],
  ProxyConfig: [
    ['threads', { selector: { matchLabels: { app: 'a' } }, concurrency: 0 }, 'ok'],
    ['less than none', { concurrency: -1 }, 'W0014 spec.concurrency'],
    ['a text for threads', { concurrency: 'all' }, 'W0011 spec.concurrency'],
    ['an image', { image: { imageType: 'distroless' } }, 'W0031 spec.image'],
    ['an environment', { environmentVariables: { A: 'b' } }, 'W0031 spec.environmentVariables'],
    ['another name', { concurency: 2 }, 'W0010 spec.concurency'],
  ],
  ListenerLimits: [
    ['of a port', { port: 80, maxConnections: 10 }, 'ok'],
    [
      'of addresses',
      { perAddress: { connectionsPerSecond: 5, burst: 9, floods: 2, floodWindow: '1s', exempt: ['10.0.0.0/8'] } },
      'ok',
    ],
    [
      'of HTTP',
      { http: { idleTimeout: '0s', headersWithUnderscores: 'DROP' }, http2: { maxConcurrentStreams: 5 } },
      'ok',
    ],
    ['nothing', { selector: { matchLabels: { a: 'b' } }, http: {} }, 'W0012 spec'],
    ['none', { maxConnections: 0 }, 'W0014 spec.maxConnections'],
    ['a burst of nothing', { perAddress: { burst: 5 } }, 'W0024 spec.perAddress.burst'],
    [
      'patience with nothing',
      { perAddress: { maxConnections: 1, refuseFor: '1s' } },
      'W0024 spec.perAddress.refuseFor',
    ],
    ['more than all', { maxConnections: 5, perAddress: { maxConnections: 6 } }, 'W0024 spec.perAddress.maxConnections'],
    ['no range', { perAddress: { maxConnections: 1, exempt: ['x'] } }, 'W0019 spec.perAddress.exempt[0]'],
    ['too small a window', { http2: { streamWindowBytes: 1 } }, 'W0014 spec.http2.streamWindowBytes'],
    ['another word', { http: { headersWithUnderscores: 'KEEP' } }, 'W0013 spec.http.headersWithUnderscores'],
  ],
  LocalRateLimit: [
    ['plain', lrl({ tokenBucket: bucket() }), 'ok'],
    ['of routes', lrl({ routes: ['a'], tokenBucket: bucket() }), 'ok'],
    ['by descriptors', lrl({ ...counted, descriptors: [described('a'), described('b')] }), 'ok'],
    ['nothing to limit', lrl({}), 'W0012 spec.limits[0]'],
    ['no tokens', lrl({ tokenBucket: bucket('1s', 0) }), 'W0014 spec.limits[0].tokenBucket.maxTokens'],
    ['too quick', lrl({ tokenBucket: bucket('10ms') }), 'W0014 spec.limits[0].tokenBucket.fillInterval'],
    [
      'descriptors of nothing',
      lrl({ tokenBucket: bucket(), descriptors: [described('a')] }),
      'W0024 spec.limits[0].descriptors',
    ],
    [
      'descriptors twice',
      lrl({ ...counted, descriptors: [described('a'), described('a')] }),
      'W0024 spec.limits[0].descriptors[1]',
    ],
    [
      'descriptor too quick',
      lrl({ ...counted, descriptors: [described('a', '5ms')] }),
      'W0014 spec.limits[0].descriptors[0].tokenBucket.fillInterval',
    ],
    [
      'two actions in one',
      lrl({ tokenBucket: bucket(), rateLimits: [{ actions: [{ remoteAddress: {}, genericKey: { value: 'a' } }] }] }),
      'W0015 spec.limits[0].rateLimits[0].actions[0]',
    ],
    ['a status that is no refusal', lrl({ tokenBucket: bucket(), status: 200 }), 'W0014 spec.limits[0].status'],
  ],
  VirtualService: [
    ['plain', vs({ route }), 'ok'],
    ['snake_case', vs({ route, retries: { attempts: 1, per_try_timeout: '1s', retry_on: '5xx' } }), 'ok'],
    [
      'both spellings',
      vs({ route, retries: { attempts: 1, per_try_timeout: '1s', perTryTimeout: '1s' } }),
      'W0002 spec.http[0].retries.perTryTimeout',
    ],
    ['null is absent', vs({ route, timeout: null }), 'ok'],
    ['unknown field', vs({ route, retrys: {} }), 'W0010 spec.http[0].retrys'],
    ['wrong type', vs({ route: {} }), 'W0011 spec.http[0].route'],
    ['missing field', vs({ route: [{ weight: 1 }] }), 'W0012 spec.http[0].route[0]'],
    ['no routes', { hosts: ['reviews'] }, 'W0012 spec'],
    ['a delegate', { http: [{ route }] }, 'W0030 spec'],
    ['star on mesh', { hosts: ['*'], http: [{ route }] }, 'W0018 spec.hosts[0]'],
    ['star at a gateway', { hosts: ['*'], gateways: ['edge'], http: [{ route }] }, 'ok'],
    ['address on mesh', { hosts: ['10.0.0.1'], http: [{ route }] }, 'W0018 spec.hosts[0]'],
    ['covered host', { hosts: ['*.a.com', 'b.a.com'], http: [{ route }] }, 'W0018 spec.hosts[1]'],
    ['host twice', { hosts: ['a.com', 'A.com'], http: [{ route }] }, 'W0018 spec.hosts[1]'],
    ['part of a label', { hosts: ['*a.com'], http: [{ route }] }, 'W0018 spec.hosts[0]'],
    ['bad host', { hosts: ['a b'], http: [{ route }] }, 'W0018 spec.hosts[0]'],
    ['bad gateway', { hosts: ['a'], gateways: ['a/b/c'], http: [{ route }] }, 'W0020 spec.gateways[0]'],
    ['exportTo star and more', vs({ route }, { exportTo: ['*', '.'] }), 'W0022 spec.exportTo'],
    ['exportTo twice', vs({ route }, { exportTo: ['.', 'default'] }), 'W0022 spec.exportTo[1]'],
    ['exportTo nobody', vs({ route }, { exportTo: ['~'] }), 'W0022 spec.exportTo[0]'],
    ['does nothing', vs({ timeout: '1s' }), 'W0015 spec.http[0]'],
    ['route and redirect', vs({ route, redirect: { uri: '/' } }), 'W0015 spec.http[0]'],
    [
      'redirect with fault',
      vs({ redirect: { uri: '/' }, fault: { abort: { httpStatus: 500, percentage: { value: 1 } } } }),
      'W0024 spec.http[0].fault',
    ],
    [
      'direct response with rewrite',
      vs({ directResponse: { status: 200 }, rewrite: { uri: '/' } }),
      'W0024 spec.http[0].rewrite',
    ],
    ['delegate route', vs({ delegate: { name: 'a' } }), 'W0030 spec.http[0].delegate'],
    ['empty redirect', vs({ redirect: {} }), 'W0012 spec.http[0].redirect'],
    ['redirect code', vs({ redirect: { uri: '/', redirectCode: 305 } }), 'W0014 spec.http[0].redirect.redirectCode'],
    [
      'redirect port twice',
      vs({ redirect: { port: 80, derivePort: 'FROM_REQUEST_PORT' } }),
      'W0015 spec.http[0].redirect',
    ],
    ['redirect of a prefix', vs({ match: [{ uri: { prefix: '/a' } }], redirect: { prefixRewrite: '/b' } }), 'ok'],
    [
      'redirect of a prefix that is none',
      vs({ match: [{ uri: { exact: '/a' } }], redirect: { prefixRewrite: '/b' } }),
      'W0024 spec.http[0].redirect.prefixRewrite',
    ],
    ['redirect to a blank', vs({ redirect: { uri: '/a b' } }), 'W0013 spec.http[0].redirect.uri'],
    ['rewrite to a line break', vs({ route, rewrite: { uri: '/a\r\nx: y' } }), 'W0013 spec.http[0].rewrite.uri'],
    ['redirect scheme', vs({ redirect: { scheme: 'ftp' } }), 'W0013 spec.http[0].redirect.scheme'],
    ['empty rewrite', vs({ route, rewrite: {} }), 'W0012 spec.http[0].rewrite'],
    [
      'half a regex rewrite',
      vs({ route, rewrite: { uriRegexRewrite: { match: 'a' } } }),
      'W0012 spec.http[0].rewrite.uriRegexRewrite',
    ],
    [
      'two rewrites',
      vs({ route, rewrite: { uri: '/', uriRegexRewrite: { match: 'a', rewrite: 'b' } } }),
      'W0015 spec.http[0].rewrite',
    ],
    [
      'Host set twice',
      vs({ route, rewrite: { authority: 'a' }, headers: { request: { set: { Host: 'b' } } } }),
      'W0024 spec.http[0].rewrite.authority',
    ],
    ['duration without unit', vs({ route, timeout: 10 }), 'W0011 spec.http[0].timeout'],
    ['duration of another unit', vs({ route, timeout: '5 minutes' }), 'W0016 spec.http[0].timeout'],
    ['duration of zero', vs({ route, timeout: '0s' }), 'W0016 spec.http[0].timeout'],
    ['duration too fine', vs({ route, timeout: '1.5ms' }), 'W0016 spec.http[0].timeout'],
    ['compound duration', vs({ route, timeout: '1h10m' }), 'ok'],
    ['retries without attempts', vs({ route, retries: { retryOn: '5xx' } }), 'W0024 spec.http[0].retries'],
    ['retries off', vs({ route, retries: { attempts: 0 } }), 'ok'],
    [
      'retry condition',
      vs({ route, retries: { attempts: 1, retryOn: '5xx, reset' } }),
      'W0013 spec.http[0].retries.retryOn',
    ],
    ['retry on a status', vs({ route, retries: { attempts: 1, retryOn: '503,reset' } }), 'ok'],
    ['not yet', vs({ route, match: [{ statPrefix: 'x' }] }), 'W0031 spec.http[0].match[0].statPrefix'],
    ['fault of nothing', vs({ route, fault: {} }), 'W0012 spec.http[0].fault'],
    [
      'fault without percentage',
      vs({ route, fault: { delay: { fixedDelay: '1s' } } }),
      'W0025 spec.http[0].fault.delay',
    ],
    [
      'fault too fine',
      vs({ route, fault: { delay: { fixedDelay: '1s', percentage: { value: 0.00001 } } } }),
      'W0014 spec.http[0].fault.delay.percentage.value',
    ],
    [
      'fault over 100',
      vs({ route, fault: { delay: { fixedDelay: '1s', percentage: { value: 101 } } } }),
      'W0014 spec.http[0].fault.delay.percentage.value',
    ],
    [
      'delay without type',
      vs({ route, fault: { delay: { percentage: { value: 1 } } } }),
      'W0015 spec.http[0].fault.delay',
    ],
    [
      'abort without type',
      vs({ route, fault: { abort: { percentage: { value: 1 } } } }),
      'W0025 spec.http[0].fault.abort',
    ],
    [
      'abort of two types',
      vs({ route, fault: { abort: { httpStatus: 500, grpcStatus: 'UNAVAILABLE', percentage: { value: 1 } } } }),
      'W0015 spec.http[0].fault.abort',
    ],
    [
      'abort with grpc status',
      vs({ route, fault: { abort: { grpcStatus: 'unavailable', percentage: { value: 1 } } } }),
      'W0013 spec.http[0].fault.abort.grpcStatus',
    ],
    [
      'abort status',
      vs({ route, fault: { abort: { httpStatus: 600, percentage: { value: 1 } } } }),
      'W0014 spec.http[0].fault.abort.httpStatus',
    ],
    [
      'http2Error',
      vs({ route, fault: { abort: { http2Error: 'x', percentage: { value: 1 } } } }),
      'W0030 spec.http[0].fault.abort.http2Error',
    ],
    [
      'mirror and mirrors',
      vs({ route, mirror: { host: 'a' }, mirrors: [{ destination: { host: 'b' } }] }),
      'W0015 spec.http[0]',
    ],
    ['mirrorPercent', vs({ route, mirror: { host: 'a' }, mirrorPercent: 5 }), 'W0032 spec.http[0].mirrorPercent'],
    ['mirrorPercentage alone', vs({ route, mirrorPercentage: { value: 5 } }), 'W0025 spec.http[0].mirrorPercentage'],
    [
      'CORS method',
      vs({ route, corsPolicy: { allowMethods: ['get'] } }),
      'W0013 spec.http[0].corsPolicy.allowMethods[0]',
    ],
    ['CORS age', vs({ route, corsPolicy: { maxAge: '1500ms' } }), 'W0016 spec.http[0].corsPolicy.maxAge'],
    [
      'CORS header',
      vs({ route, corsPolicy: { allowHeaders: ['a b'] } }),
      'W0021 spec.http[0].corsPolicy.allowHeaders[0]',
    ],
    [
      'all weights 0',
      vs({
        route: [
          { ...route[0], weight: 0 },
          { ...route[0], weight: 0 },
        ],
      }),
      'W0014 spec.http[0].route',
    ],
    [
      'sum of weights',
      vs({
        route: [
          { ...route[0], weight: 1 },
          { ...route[0], weight: 2 },
        ],
      }),
      'ok',
    ],
    ['a weight is missing', vs({ route: [{ ...route[0], weight: 1 }, route[0]] }), 'W0025 spec.http[0].route[1]'],
    ['negative weight', vs({ route: [{ ...route[0], weight: -1 }] }), 'W0014 spec.http[0].route[0].weight'],
    ['weight as text', vs({ route: [{ ...route[0], weight: '5' }] }), 'W0011 spec.http[0].route[0].weight'],
    [
      'star destination',
      vs({ route: [{ destination: { host: '*' } }] }),
      'W0018 spec.http[0].route[0].destination.host',
    ],
    [
      'port 0',
      vs({ route: [{ destination: { host: 'a', port: { number: 0 } } }] }),
      'W0014 spec.http[0].route[0].destination.port.number',
    ],
    ['bad regex', match({ uri: { regex: '(' } }), 'W0017 spec.http[0].match[0].uri.regex'],
    ['look-around', match({ uri: { regex: 'a(?=b)' } }), 'W0017 spec.http[0].match[0].uri.regex'],
    ['long regex', match({ uri: { regex: 'a'.repeat(1025) } }), 'W0017 spec.http[0].match[0].uri.regex'],
    ['two forms', match({ uri: { exact: '/', prefix: '/' } }), 'W0015 spec.http[0].match[0].uri'],
    ['no form', match({ uri: {} }), 'W0015 spec.http[0].match[0].uri'],
    ['empty prefix of a path', match({ uri: { prefix: '' }, port: 1 }), 'ok'],
    ['empty prefix of a method', match({ method: { prefix: '' } }), 'W0013 spec.http[0].match[0].method.prefix'],
    ['presence', match({ headers: { 'x-a': {} }, withoutHeaders: { 'x-b': { regex: '*' } } }), 'ok'],
    ['header name', match({ headers: { 'x a': {} } }), 'W0021 spec.http[0].match[0].headers["x a"]'],
    ['not a header', match({ headers: { uri: { exact: '/' } } }), 'W0025 spec.http[0].match[0].headers.uri'],
    [
      'claim',
      match({ headers: { '@request.auth.claims.sub': { exact: 'a' } } }),
      'W0030 spec.http[0].match[0].headers["@request.auth.claims.sub"]',
    ],
    ['pseudo header', match({ headers: { ':path': { prefix: '/' } } }), 'ok'],
    [
      'Host on the response',
      vs({ route, headers: { response: { set: { host: 'a' } } } }),
      'W0021 spec.http[0].headers.response.set.host',
    ],
    [
      'Host removed',
      vs({ route, headers: { request: { remove: ['Host'] } } }),
      'W0021 spec.http[0].headers.request.remove[0]',
    ],
    [
      'pseudo header set',
      vs({ route, headers: { request: { set: { ':path': '/' } } } }),
      'W0021 spec.http[0].headers.request.set[":path"]',
    ],
    [
      'percent alone',
      vs({ route, headers: { request: { add: { 'x-a': '50%' } } } }),
      'W0021 spec.http[0].headers.request.add["x-a"]'.replace('["x-a"]', '.x-a'),
    ],
    [
      'variable and percent',
      vs({ route, headers: { request: { add: { 'x-a': '%DOWNSTREAM_REMOTE_ADDRESS% 50%%' } } } }),
      'ok',
    ],
    [
      'line break',
      vs({ route, headers: { request: { add: { 'x-a': 'a\r\nb: c' } } } }),
      'W0021 spec.http[0].headers.request.add.x-a',
    ],
    [
      'header operation of a destination',
      vs({ route: [{ ...route[0], headers: { request: { set: { 'a b': 'c' } } } }] }),
      'W0021 spec.http[0].route[0].headers.request.set["a b"]',
    ],
    ['status out of range', vs({ directResponse: { status: 100 } }), 'W0014 spec.http[0].directResponse.status'],
    [
      'large body',
      vs({ directResponse: { status: 200, body: { string: 'x'.repeat(1_048_577) } } }),
      'W0014 spec.http[0].directResponse.body',
    ],
    [
      'not base64',
      vs({ directResponse: { status: 200, body: { bytes: '%' } } }),
      'W0013 spec.http[0].directResponse.body.bytes',
    ],
    [
      'unreachable',
      { hosts: ['a'], http: [{ route }, { match: [{ uri: { prefix: '/b' } }], route }] },
      'W0042 spec.http[1]',
    ],
    [
      'repeated match',
      {
        hosts: ['a'],
        http: [
          { match: [{ uri: { prefix: '/b' } }], route },
          { match: [{ name: 'x', uri: { prefix: '/b' } }], route },
        ],
      },
      'W0042 spec.http[1].match[0]',
    ],
    ['tcp', { hosts: ['a'], tcp: [{ route }] }, 'ok'],
    ['tcp by address', { hosts: ['a'], tcp: [{ match: [{ destinationSubnets: ['10.0.0.0/8'] }], route }] }, 'ok'],
    [
      'sni not among hosts',
      { hosts: ['a.com'], tls: [{ match: [{ sniHosts: ['b.com'] }], route }] },
      'W0018 spec.tls[0].match[0].sniHosts[0]',
    ],
  ],
  DestinationRule: [
    ['subsets', { host: 'reviews', subsets: [{ name: 'v1', labels: { version: 'v1' } }] }, 'ok'],
    ['no host', {}, 'W0012 spec'],
    ['empty host', { host: '' }, 'W0012 spec.host'],
    ['subset twice', { host: 'a', subsets: [{ name: 'v1' }, { name: 'v1' }] }, 'W0043 spec.subsets[1].name'],
    ['subset name', { host: 'a', subsets: [{ name: 'V_1' }] }, 'W0020 spec.subsets[0].name'],
    [
      'label as number',
      { host: 'a', subsets: [{ name: 'v1', labels: { version: 1 } }] },
      'W0011 spec.subsets[0].labels.version',
    ],
    ['empty policy', dr({}), 'W0012 spec.trafficPolicy'],
    ['balancer', dr({ loadBalancer: { simple: 'ROUND_ROBIN' } }), 'ok'],
    [
      'failover that nobody notices',
      dr({ loadBalancer: { localityLbSetting: { failover: [{ from: 'eu', to: 'us' }] } } }),
      'W0024 spec.trafficPolicy.loadBalancer.localityLbSetting.failover',
    ],
    [
      'failover',
      dr({
        outlierDetection: { consecutive5xxErrors: 5 },
        loadBalancer: { localityLbSetting: { failoverPriority: ['topology.kubernetes.io/region'] } },
      }),
      'ok',
    ],
    [
      'misspelt balancer',
      dr({ loadBalancer: { simple: 'ROUND_ROBINN' } }),
      'W0013 spec.trafficPolicy.loadBalancer.simple',
    ],
    ['passthrough', dr({ loadBalancer: { simple: 'PASSTHROUGH' } }), 'ok'],
    ['hash', dr({ loadBalancer: { consistentHash: { httpHeaderName: 'x' } } }), 'ok'],
    [
      'hash of nothing',
      dr({ loadBalancer: { consistentHash: {} } }),
      'W0015 spec.trafficPolicy.loadBalancer.consistentHash',
    ],
    [
      'table no prime',
      dr({ loadBalancer: { consistentHash: { useSourceIp: true, maglev: { tableSize: 100 } } } }),
      'W0014 spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize',
    ],
    ['empty pool', dr({ connectionPool: {} }), 'W0012 spec.trafficPolicy.connectionPool'],
    [
      'pool',
      dr({ connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1, idleTimeout: '0s' } } }),
      'ok',
    ],
    [
      'negative pool',
      dr({ connectionPool: { tcp: { maxConnections: -1 } } }),
      'W0014 spec.trafficPolicy.connectionPool.tcp.maxConnections',
    ],
    [
      'upgrade and client protocol',
      dr({ connectionPool: { http: { useClientProtocol: true, h2UpgradePolicy: 'UPGRADE' } } }),
      'W0024 spec.trafficPolicy.connectionPool.http.useClientProtocol',
    ],
    [
      'ejection',
      dr({
        outlierDetection: { consecutive5xxErrors: 1, interval: '1s', baseEjectionTime: '3m', maxEjectionPercent: 100 },
      }),
      'ok',
    ],
    ['ejection by proto name', dr({ outlierDetection: { consecutive_5xx_errors: 1 } }), 'ok'],
    [
      'ejection percent',
      dr({ outlierDetection: { maxEjectionPercent: 101 } }),
      'W0014 spec.trafficPolicy.outlierDetection.maxEjectionPercent',
    ],
    [
      'local failures alone',
      dr({ outlierDetection: { consecutiveLocalOriginFailures: 1 } }),
      'W0024 spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures',
    ],
    [
      'consecutiveErrors',
      dr({ outlierDetection: { consecutiveErrors: 1 } }),
      'W0032 spec.trafficPolicy.outlierDetection.consecutiveErrors',
    ],
    ['retry budget', dr({ retryBudget: { percent: 20, minRetryConcurrency: 3 } }), 'ok'],
    [
      'retry budget over time',
      dr({ retryBudget: { budgetInterval: '1s' } }),
      'W0031 spec.trafficPolicy.retryBudget.budgetInterval',
    ],
    ['mutual TLS of the mesh', dr({ tls: { mode: 'ISTIO_MUTUAL' } }), 'ok'],
    ['no TLS', dr({ tls: { mode: 'DISABLE' } }), 'ok'],
    ['TLS to be verified', dr({ tls: { mode: 'SIMPLE' } }), 'W0030 spec.trafficPolicy.tls.mode'],
    [
      'names to be verified',
      dr({ tls: { mode: 'ISTIO_MUTUAL', subjectAltNames: ['a'] } }),
      'W0030 spec.trafficPolicy.tls.subjectAltNames',
    ],
    [
      'port without number',
      dr({ portLevelSettings: [{ loadBalancer: { simple: 'RANDOM' } }] }),
      'W0012 spec.trafficPolicy.portLevelSettings[0]',
    ],
    [
      'port twice',
      dr({ portLevelSettings: [1, 1].map((number) => ({ port: { number }, loadBalancer: { simple: 'RANDOM' } })) }),
      'W0043 spec.trafficPolicy.portLevelSettings[1].port',
    ],
    [
      'tunnel and PROXY',
      dr({ tunnel: { targetHost: 'a', targetPort: 1 }, proxyProtocol: { version: 'V1' } }),
      'W0024 spec.trafficPolicy',
    ],
  ],
  Gateway: [
    ['HTTP', server({}), 'ok'],
    ['no servers', {}, 'W0012 spec'],
    ['no hosts', server({ hosts: [] }), 'W0012 spec.servers[0].hosts'],
    ['short host', server({ hosts: ['reviews'] }), 'W0018 spec.servers[0].hosts[0]'],
    ['namespace and host', server({ hosts: ['./a.example.com', 'shop/*'] }), 'ok'],
    ['protocol', server({}, { protocol: 'HTP' }), 'W0023 spec.servers[0].port.protocol'],
    [
      'TLS',
      server({ tls: { mode: 'SIMPLE', credentialName: 'a' } }, { protocol: 'HTTPS' }),
      'W0030 spec.servers[0].tls.mode, W0030 spec.servers[0].tls.credentialName',
    ],
    ['redirect to https', server({ tls: { httpsRedirect: true } }), 'ok'],
    ['redirect on HTTPS', server({ tls: { httpsRedirect: true } }, { protocol: 'HTTPS' }), 'W0024 spec.servers[0]'],
    ['tls of nothing', server({ tls: {} }), 'W0030 spec.servers[0].tls'],
    ['HTTPS without tls', server({}, { protocol: 'HTTPS' }), 'W0024 spec.servers[0]'],
    ['TCP', server({}, { protocol: 'TCP' }), 'W0031 spec.servers[0].port.protocol'],
    ['bind', server({ bind: '10.0.0.1' }), 'ok'],
    ['bind to a path', server({ bind: 'unix:///a' }), 'W0019 spec.servers[0].bind'],
    [
      'port names',
      { servers: [80, 81].map((number) => ({ port: { number, name: 'a', protocol: 'HTTP' }, hosts: ['*'] })) },
      'W0043 spec.servers[1].port.name',
    ],
    ['selector with a star', { ...(server({}) as object), selector: { app: '*' } }, 'W0020 spec.selector.app'],
  ],
  ServiceEntry: [
    ['DNS', se({}), 'ok'],
    ['STATIC', se({ resolution: 'STATIC', endpoints: [{ address: '10.0.0.1' }] }), 'ok'],
    [
      'STATIC by name',
      se({ resolution: 'STATIC', endpoints: [{ address: 'a.example.com' }] }),
      'W0019 spec.endpoints[0].address',
    ],
    ['STATIC of nothing', se({ resolution: 'STATIC' }), 'W0025 spec.resolution'],
    ['star', se({ hosts: ['*'] }), 'W0018 spec.hosts[0], W0024 spec.hosts[0]'],
    ['wildcard by DNS', se({ hosts: ['*.example.com'] }), 'W0024 spec.hosts[0]'],
    ['part of a label', se({ hosts: ['*x.example.com'], endpoints: [{ address: '10.0.0.1' }] }), 'W0018 spec.hosts[0]'],
    ['no hosts', se({ hosts: [] }), 'W0012 spec.hosts'],
    [
      'port twice',
      se({ ports: [80, 80].map((number, i) => ({ number, name: `a${i}`, protocol: 'HTTP' })) }),
      'W0043 spec.ports[1].number',
    ],
    [
      'port name twice',
      se({ ports: [80, 81].map((number) => ({ number, name: 'a', protocol: 'HTTP' })) }),
      'W0043 spec.ports[1].name',
    ],
    ['protocol', se({ ports: [{ number: 80, name: 'a', protocol: 'SMTP' }] }), 'W0023 spec.ports[0].protocol'],
    ['NONE', se({ resolution: 'NONE' }), 'W0031 spec.resolution'],
    [
      'no resolution',
      { hosts: ['a.example.com'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] },
      'W0025 spec',
    ],
    [
      'NONE with endpoints',
      se({ resolution: 'NONE', endpoints: [{ address: '10.0.0.1' }] }),
      'W0031 spec.resolution, W0024 spec.resolution',
    ],
    [
      'endpoints and selector',
      se({ resolution: 'STATIC', endpoints: [{ address: '10.0.0.1' }], workloadSelector: { labels: { a: 'b' } } }),
      'W0015 spec',
    ],
    ['address', se({ addresses: ['10.0.0.0/33'] }), 'W0019 spec.addresses[0]'],
    ['range with DNS', se({ addresses: ['10.0.0.0/8'] }), 'W0024 spec.addresses[0]'],
    [
      'unknown endpoint port',
      se({ endpoints: [{ address: '10.0.0.1', ports: { web: 1 } }] }),
      'W0023 spec.endpoints[0].ports.web',
    ],
    [
      'several hosts on TCP',
      se({ hosts: ['a.com', 'b.com'], ports: [{ number: 1, name: 'a', protocol: 'TCP' }], addresses: ['10.0.0.1'] }),
      'W0024 spec.hosts',
    ],
    ['TCP without address', se({ ports: [{ number: 1, name: 'a', protocol: 'TCP' }] }), 'W0025 spec.ports[0]'],
    ['names to be verified', se({ subjectAltNames: ['a'] }), 'W0030 spec.subjectAltNames'],
  ],
  WorkloadEntry: [
    ['address', { address: '10.0.0.1', labels: { app: 'a' }, serviceAccount: 'a' }, 'ok'],
    ['no address', {}, 'W0012 spec'],
    ['socket', { address: 'unix:///run/a.sock' }, 'ok'],
    ['socket with ports', { address: 'unix:///run/a.sock', ports: { a: 1 } }, 'W0024 spec.ports'],
    ['bad address', { address: 'a b' }, 'W0019 spec.address'],
    ['locality', { address: '10.0.0.1', locality: 'a/b' }, 'W0031 spec.locality'],
  ],
  Sidecar: [
    ['egress', { egress: [{ hosts: ['./*', 'istio-system/*', '~/*'] }] }, 'ok'],
    ['empty', {}, 'W0012 spec'],
    ['host without namespace', { egress: [{ hosts: ['reviews'] }] }, 'W0018 spec.egress[0].hosts[0]'],
    ['policy without mode', { outboundTrafficPolicy: {} }, 'W0025 spec.outboundTrafficPolicy'],
    ['REGISTRY_ONLY', { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }, 'ok'],
    [
      'egress proxy',
      { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'a.b' } } },
      'W0030 spec.outboundTrafficPolicy.egressProxy',
    ],
    ['everything and more', { egress: [{ hosts: ['*/*', './*'] }] }, 'W0025 spec.egress[0].hosts'],
    ['two without port', { egress: [{ hosts: ['./*'] }, { hosts: ['a/*'] }] }, 'W0043 spec.egress[1]'],
    [
      'ingress',
      { ingress: [{ port: { number: 9080, protocol: 'HTTP', name: 'a' }, defaultEndpoint: '127.0.0.1:9080' }] },
      'ok',
    ],
    [
      'ingress port twice',
      { ingress: [1, 2].map((end) => ({ port: { number: 9080 }, defaultEndpoint: `127.0.0.1:${end}` })) },
      'W0043 spec.ingress[1].port',
    ],
    [
      'endpoint elsewhere',
      { ingress: [{ port: { number: 1 }, defaultEndpoint: '10.0.0.1:80' }] },
      'W0019 spec.ingress[0].defaultEndpoint',
    ],
    ['ingress TLS', { ingress: [{ port: { number: 1 }, tls: { mode: 'SIMPLE' } }] }, 'W0030 spec.ingress[0].tls'],
    [
      'selector with a star',
      { workloadSelector: { labels: { app: '*' } }, egress: [{ hosts: ['./*'] }] },
      'W0020 spec.workloadSelector.labels.app',
    ],
  ],
  PeerAuthentication: [
    ['STRICT', { mtls: { mode: 'STRICT' } }, 'ok'],
    ['YAML reads off as false', { mtls: { mode: false } }, 'W0011 spec.mtls.mode'],
    ['ports without selector', { portLevelMtls: { 8080: { mode: 'DISABLE' } } }, 'W0024 spec.portLevelMtls'],
    ['ports', { selector: { matchLabels: { app: 'a' } }, portLevelMtls: { 8080: { mode: 'DISABLE' } } }, 'ok'],
    [
      'no port',
      { selector: { matchLabels: { app: 'a' } }, portLevelMtls: { http: { mode: 'DISABLE' } } },
      'W0014 spec.portLevelMtls.http',
    ],
    ['empty selector', { selector: {} }, 'W0025 spec.selector.matchLabels'],
  ],
  RequestAuthentication: [['any', { jwtRules: [{ issuer: 'a' }] }, 'W0030 spec']],
  AuthorizationPolicy: [
    [
      'by principal',
      source({ principals: ['cluster.local/ns/default/sa/a'], notNamespaces: ['b'], ipBlocks: ['10.0.0.0/8', '::1'] }),
      'ok',
    ],
    [
      'by operation',
      operation({ methods: ['GET'], paths: ['/a/*', '*/b', '*'], ports: ['80'], hosts: ['a.com:*'], notPaths: ['/c'] }),
      'ok',
    ],
    ['allow all', ap({}), 'ok'],
    ['deny all', {}, 'W0025 spec'],
    ['DENY of nothing', { action: 'DENY' }, 'W0012 spec'],
    ['AUDIT', { action: 'AUDIT', rules: [{}] }, 'W0030 spec.action'],
    ['CUSTOM', { action: 'CUSTOM', provider: { name: 'a' }, rules: [{}] }, 'W0030 spec.action, W0030 spec.provider'],
    ['when', ap({ when: [{ key: 'source.ip', values: ['1.1.1.1'] }] }), 'W0030 spec.rules[0].when'],
    ['token', source({ requestPrincipals: ['*'] }), 'W0030 spec.rules[0].from[0].source.requestPrincipals'],
    ['client address', source({ remoteIpBlocks: ['10.0.0.1'] }), 'W0030 spec.rules[0].from[0].source.remoteIpBlocks'],
    ['service accounts', source({ serviceAccounts: ['a'] }), 'W0030 spec.rules[0].from[0].source.serviceAccounts'],
    ['trust domains', source({ trustDomains: ['a'] }), 'W0030 spec.rules[0].from[0].source.trustDomains'],
    ['template', operation({ paths: ['/a/{*}/b'] }), 'W0030 spec.rules[0].to[0].operation.paths[0]'],
    ['target', { targetRefs: [{ kind: 'Service', name: 'a' }], rules: [{}] }, 'W0030 spec.targetRefs'],
    ['empty from', ap({ from: [] }), 'W0012 spec.rules[0].from'],
    ['empty source', source({}), 'W0012 spec.rules[0].from[0]'],
    ['empty operation', operation({}), 'W0012 spec.rules[0].to[0]'],
    ['empty list', operation({ methods: [] }), 'W0012 spec.rules[0].to[0].operation.methods'],
    ['range', source({ ipBlocks: ['10.0.0.0/40'] }), 'W0019 spec.rules[0].from[0].source.ipBlocks[0]'],
    [
      'scheme',
      source({ principals: ['spiffe://cluster.local/ns/a/sa/b'] }),
      'W0013 spec.rules[0].from[0].source.principals[0]',
    ],
    ['short principal', source({ principals: ['reviews'] }), 'W0025 spec.rules[0].from[0].source.principals[0]'],
    ['port as number', operation({ ports: [80] }), 'W0011 spec.rules[0].to[0].operation.ports[0]'],
    ['port range', operation({ ports: ['70000'] }), 'W0014 spec.rules[0].to[0].operation.ports[0]'],
    ['small method', operation({ methods: ['get'] }), 'W0025 spec.rules[0].to[0].operation.methods[0]'],
    ['star inside', operation({ paths: ['/a/*/b'] }), 'W0025 spec.rules[0].to[0].operation.paths[0]'],
  ],
  Telemetry: [
    ['any', { tracing: [{ randomSamplingPercentage: 1 }] }, 'W0031 spec.tracing'],
    ['access log', { accessLogging: [{ providers: [{ name: 'envoy' }], disabled: true }] }, 'ok'],
    [
      'access log elsewhere',
      { accessLogging: [{ providers: [{ name: 'otel' }] }] },
      'W0025 spec.accessLogging[0].providers[0]',
    ],
    [
      'UPSERT without value',
      { metrics: [{ overrides: [{ tagOverrides: { a: { operation: 'UPSERT' } } }] }] },
      'W0031 spec.metrics, W0012 spec.metrics[0].overrides[0].tagOverrides.a',
    ],
  ],
  Service: [
    [
      'plain',
      { selector: { app: 'a' }, ports: [{ port: 80, targetPort: 'http', name: 'http' }], sessionAffinity: 'None' },
      'ok',
    ],
    ['no ports', {}, 'W0012 spec'],
    ['headless', { clusterIP: 'None' }, 'ok'],
    ['two ports, one name', { ports: [{ port: 1, name: 'a' }, { port: 2 }] }, 'W0012 spec.ports[1]'],
    [
      'port twice',
      {
        ports: [
          { port: 1, name: 'a' },
          { port: 1, name: 'b' },
        ],
      },
      'W0043 spec.ports[1].port',
    ],
    ['external without name', { type: 'ExternalName' }, 'W0012 spec'],
    ['target as list', { ports: [{ port: 1, targetPort: [] }] }, 'W0011 spec.ports[0].targetPort'],
  ],
  handler: [
    ['denier', { compiledAdapter: 'denier', params: { status: { code: 7 } } }, 'ok'],
    ['unknown param', { compiledAdapter: 'denier', params: { stats: {} } }, 'W0010 spec.params.stats'],
    ['status code', { compiledAdapter: 'denier', params: { status: { code: 403 } } }, 'W0014 spec.params.status.code'],
    ['unknown adapter', { compiledAdapter: 'promethius' }, 'W0013 spec.compiledAdapter'],
    ['no adapter', {}, 'W0012 spec'],
    ['restricting adapter', { compiledAdapter: 'memquota', params: { quotas: [] } }, 'W0030 spec.compiledAdapter'],
    ['reporting adapter', { compiledAdapter: 'statsd', params: {} }, 'W0031 spec.compiledAdapter'],
    [
      'out of process',
      { adapter: 'mine', connection: { address: 'a:1' } },
      'W0030 spec.adapter, W0030 spec.connection',
    ],
    [
      'buckets of a counter',
      {
        compiledAdapter: 'prometheus',
        params: {
          metrics: [
            {
              name: 'a',
              instance_name: 'a.instance.b',
              kind: 'COUNTER',
              buckets: { explicit_buckets: { bounds: [1] } },
            },
          ],
        },
      },
      'W0024 spec.params.metrics[0].buckets',
    ],
    [
      'bounds',
      {
        compiledAdapter: 'prometheus',
        params: {
          metrics: [
            { name: 'a', instanceName: 'a', kind: 'DISTRIBUTION', buckets: { explicitBuckets: { bounds: [2, 1] } } },
          ],
        },
      },
      'W0014 spec.params.metrics[0].buckets',
    ],
    [
      'metric twice',
      {
        compiledAdapter: 'prometheus',
        params: {
          metrics: [
            { name: 'a', instanceName: 'a' },
            { name: 'a', instanceName: 'b' },
          ],
        },
      },
      'W0043 spec.params.metrics[1].name',
    ],
  ],
  instance: [
    ['metric', { compiledTemplate: 'metric', params: { value: '1', dimensions: { a: 'source.name' } } }, 'ok'],
    ['nothing', { compiledTemplate: 'checknothing' }, 'ok'],
    ['metric as number', { compiledTemplate: 'metric', params: { value: 1 } }, 'W0011 spec.params.value'],
    ['metric without value', { compiledTemplate: 'metric', params: {} }, 'W0012 spec.params'],
    ['quota', { compiledTemplate: 'quota', params: {} }, 'W0030 spec.compiledTemplate'],
    ['unknown template', { compiledTemplate: 'metrics' }, 'W0013 spec.compiledTemplate'],
  ],
  rule: [
    ['plain', { match: 'true', actions: [{ handler: 'a', instances: ['b'] }] }, 'ok'],
    ['no actions', { match: 'true' }, 'W0012 spec'],
    ['no instances', { actions: [{ handler: 'a' }] }, 'W0025 spec.actions[0]'],
    [
      'header operations',
      { actions: [{ handler: 'a', instances: ['b'] }], requestHeaderOperations: [{ name: 'a' }] },
      'W0031 spec.requestHeaderOperations',
    ],
  ],
  metric: [
    ['old kind', { value: '1', monitored_resource_type: '"x"' }, 'ok'],
    ['old kind, wrong', { valu: '1' }, 'W0010 spec.valu, W0012 spec'],
  ],
};

for (const [kind, rows] of Object.entries(ROWS) as [KindName, readonly Row[]][]) {
  describe(`${kind} rules`, () => {
    it.each(rows)('%s', (_, spec, said) => {
      const { group, versions } = kindInfo(kind);
      const apiVersion = group === '' ? versions[0] : `${group}/${versions[0]}`;
      const text = stringify(
        { apiVersion, kind, metadata: { name: 'x' }, spec },
        { version: '1.1', aliasDuplicateObjects: false },
      );
      const { objects, problems } = parseConfig(text, 'x.yaml');
      const words = problems.map(({ code, path }) => `${code} ${path}`);
      expect(words.toSorted()).toEqual(said === 'ok' ? [] : said.split(', ').toSorted());
      expect(objects.length).toBe(problems.some(({ severity }) => severity === 'error') ? 0 : 1);
      for (const problem of problems) {
        expect(problem.message).not.toMatch(/undefined|null|\[object/);
        expect(problem.line).toBeGreaterThan(0);
      }
    });
  });
}
