import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { create, createRegistry, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { type AccessLog, AccessLogSchema } from '@weft/contracts/lean/envoy/config/accesslog/v3/accesslog';
import { FileAccessLogSchema } from '@weft/contracts/lean/envoy/extensions/access_loggers/file/v3/file';
import { ExpressionFilterSchema } from '@weft/contracts/lean/envoy/extensions/access_loggers/filters/cel/v3/cel';
import { StdoutAccessLogSchema } from '@weft/contracts/lean/envoy/extensions/access_loggers/stream/v3/stream';
import { LOG_OPERATORS } from '@weft/contracts/config';
import { createRegexEngine } from '@weft/evaluator';
import { seededRandom, silentLogger, systemClock } from '@weft/kit';
import { FakeClock, tempDir, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { WireMeter } from '../http/wire-meter.ts';
import { anyConnection } from '../http2/test-support/test-server.ts';
import { RequestRecord } from '../request-record.ts';
import { flagBit } from '../response-flags.ts';
import { UpstreamLink } from '../upstream/upstream-link.ts';
import { createAccessLogs } from './access-logs.ts';
import { Wanted } from './captures.ts';
import { DEFAULT_TEXT_FORMAT, jsonFormat, textFormat } from './format.ts';
import { createLineWriter } from './line-writer.ts';
import { compileFilter, type FilterContext } from './log-filter.ts';
import type { OperatorContext } from './log-value.ts';
import { formatTime } from './start-time.ts';

const AT = Date.UTC(2026, 2, 4, 5, 6, 7, 89);
const recordOf = (given: Partial<RequestRecord> = {}): RequestRecord =>
  Object.assign(new RequestRecord(), {
    startMs: AT,
    method: 'GET',
    path: '/reviews/0?x=1',
    authority: 'reviews:9080',
    code: 200,
    details: 'via_upstream',
    requestBytes: 1,
    responseBytes: 295,
    durationMs: 11.6,
    upstreamMs: 10.2,
    userAgent: 'curl/8',
    requestId: 'id-1',
    upstreamHost: '127.66.3.1:9080',
    cluster: 'outbound|9080||reviews.default.svc.cluster.local',
    upstreamLocalAddress: '127.0.0.1:5',
    downstreamLocalAddress: '127.66.1.2:9080',
    downstreamRemoteAddress: '127.0.0.1:6',
    routeName: 'default',
    ...given,
  });
const DEPS = {
  random: seededRandom(1),
  regex: createRegexEngine(),
  hostname: 'node-1',
  environment: (name: string) => (name === 'ZONE' ? 'a' : undefined),
};
const context = (resource = 'r', wanted = new Wanted()): OperatorContext => ({
  ...DEPS,
  resource,
  wanted,
  now: () => AT + 1_000,
  uniqueId: () => 'unique',
});
const filterContext = (wanted = new Wanted()): FilterContext => ({ ...DEPS, resource: 'r', wanted });
const fileLog = (json: JsonObject, filter?: JsonObject): AccessLog => {
  const log = fromJson(AccessLogSchema, filter === undefined ? { name: 'file' } : { name: 'file', filter }, {
    registry: createRegistry(ExpressionFilterSchema),
  });
  const value = toBinary(FileAccessLogSchema, fromJson(FileAccessLogSchema, json));
  log.configType = {
    case: 'typedConfig',
    value: { $typeName: 'google.protobuf.Any', typeUrl: `type.googleapis.com/${FileAccessLogSchema.typeName}`, value },
  };
  return log;
};

describe('text', () => {
  it('has the fields of the default line in order', () => {
    expect(textFormat(DEFAULT_TEXT_FORMAT, context('r'))(recordOf())).toBe(
      '[2026-03-04T05:06:07.089Z] "GET /reviews/0?x=1 HTTP/1.1" 200 - via_upstream - "-" 1 295 12 10 "-" "curl/8" "id-1" "reviews:9080" ' +
        '"127.66.3.1:9080" outbound|9080||reviews.default.svc.cluster.local 127.0.0.1:5 127.66.1.2:9080 127.0.0.1:6 - default\n',
    );
  });
  it('prints dashes for a TCP connection', () => {
    const line = textFormat(
      '%REQ(:METHOD)% %PROTOCOL% %RESPONSE_CODE% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %BYTES_SENT%',
      context(),
    );
    expect(line(Object.assign(new RequestRecord(), { protocol: 'TCP', responseBytes: 3 }))).toBe('- - 0 - 3\n');
  });
  it('has every operator that configuration may name', () => {
    const compiles = (text: string): boolean => {
      try {
        textFormat(`%${text}%`, context());
        return true;
      } catch {
        return false;
      }
    };
    const ARGUMENTS = [
      '',
      '(x)',
      '(CLUSTER:a)',
      '(DS_RX_BEG:DS_TX_END)',
      '({"operators": ["PROTOCOL"]})',
      '(response.code)',
    ];
    expect([...LOG_OPERATORS].filter((name) => !ARGUMENTS.some((argument) => compiles(`${name}${argument}`)))).toEqual(
      [],
    );
    expect(compiles('NO_SUCH')).toBe(false);
  });
  it('names the client that trusted proxies tell of', () => {
    const line = textFormat('%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', context());
    expect(line(recordOf({ forwardedClient: '192.0.2.9' }))).toBe('192.0.2.9:0 192.0.2.9\n');
    expect(line(recordOf({ forwardedClient: 'whoever' }))).toBe('127.0.0.1:6 127.0.0.1\n');
  });
  it('escapes what would end a line, move a cursor or close a quote', () => {
    const line = textFormat(
      '"%REQ(USER-AGENT)%" %REQ(:PATH):9%',
      context(),
    )(recordOf({ userAgent: 'a\r\n200 "\x1b[31m\x7f\x85', path: '/0123456789' }));
    expect(line).toBe('"a\\x0D\\x0A200 \\x22\\x1B[31m\\x7F\\x85" /01234567\n');
  });
  it.each([
    ['%%', '%\n'],
    ['%START_TIME(%Y-%m-%dT%H:%M:%S.%3f%z)%', '2026-03-04T05:06:07.089+0000\n'],
    ['%START_TIME(%s)% %START_TIME(%s.%6f)%', '1772600767 1772600767.089000\n'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%', '127.0.0.1 9080\n'],
    ['%REQ(X-FORWARDED-FOR?USER-AGENT)% %REQ_WITHOUT_QUERY(:PATH)%', 'curl/8 /reviews/0\n'],
    ['%RESPONSE_FLAGS% %TRAILER(x)%', 'UF,URX -\n'],
    ['%RESPONSE_FLAGS_LONG%', 'UpstreamConnectionFailure,UpstreamRetryLimitExceeded\n'],
    ['%REQ(X-OWN)% %REQ(x-none?x-own):2% %RESP(x-app)% %TRAILER(grpc-message)%', 'mine mi echo fine\n'],
    ['%REQ(Authorization)% %REQ(cookie)% %RESP(set-cookie)%', '[redacted] - -\n'],
    ['%QUERY_PARAM(x)% %QUERY_PARAM(y)% %QUERY_PARAMS% %PATH(NQ)%', '1 - x=1 /reviews/0\n'],
    [
      '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%',
      'NotFound NOT_FOUND 5 5\n',
    ],
    ['%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%', '3 11 0\n'],
    ['%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)% %COMMON_DURATION(US_RX_BEG:US_RX_END)%', '1000 -\n'],
    ['%COMMON_DURATION(DS_RX_BEG:US_TX_END)% %COMMON_DURATION(DS_RX_BEG:DS_TX_BEG)%', '3 11\n'],
    ['%UPSTREAM_HOST_NAME% %UPSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', 'h.example 9080 127.0.0.1\n'],
    ['%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_FINGERPRINT_256%', 'CN=x ab12\n'],
    ['%HOSTNAME% %ENVIRONMENT(ZONE)% %ENVIRONMENT(NONE)%', 'node-1 a -\n'],
    ['%ACCESS_LOG_TYPE% %STREAM_ID% %LOCAL_REPLY_BODY%', 'DownstreamEnd id-1 no\n'],
    ['%EMIT_TIME% %START_TIME%', '2026-03-04T05:06:08.089Z 2026-03-04T05:06:07.089Z\n'],
    ['%CEL(response.code >= 200 && request.headers["x-own"] == "mine")% %CEL(request.duration)%', 'true 0.0116s\n'],
    ['%CEL(request.headers["x-none"])%', '-\n'],
    ['%UNIQUE_ID% %CONNECTION_ID% %UPSTREAM_CONNECTION_ID% %UPSTREAM_PROTOCOL%', 'unique 7 8 HTTP/2\n'],
    [
      '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_PORT% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT%',
      '192.0.2.1:77 15006 10.1.2.3\n',
    ],
    [
      '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT(20)%',
      '127.0.0.0/16 10.1.0.0/20\n',
    ],
    [
      '%DOWNSTREAM_WIRE_BYTES_RECEIVED% %DOWNSTREAM_HEADER_BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_SENT%',
      '120 100 30\n',
    ],
    ['%UPSTREAM_WIRE_BYTES_SENT% %UPSTREAM_HEADER_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED%', '0 0 0\n'],
    ['%FILTER_CHAIN_NAME% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%', 'edge no certificate\n'],
    ['%DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_LOCAL_URI_SAN%', 'spiffe://x/a spiffe://x/b\n'],
    [
      '%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT% %UPSTREAM_HOST_NAMES_ATTEMPTED%',
      '10.0.0.1:80,10.0.0.2:80 10.0.0.1,10.0.0.2 a.example,10.0.0.2:80\n',
    ],
    ['%UPSTREAM_CONNECTION_IDS_ATTEMPTED% %UPSTREAM_CONNECTION_POOL_READY_DURATION%', '8 4\n'],
    ['%METADATA(ROUTE:app:team)% %METADATA(ROUTE:app:deep:a)% %CLUSTER_METADATA(istio)%', 'red 1 {"services":["s"]}\n'],
    ['%UPSTREAM_METADATA(envoy.lb:none)% %METADATA(UPSTREAM_HOST:envoy.lb:canary)%', '- true\n'],
    ['%DYNAMIC_METADATA(a:b)% %METADATA(LISTENER:a)% %FILTER_STATE(x:PLAIN)% %VIRTUAL_CLUSTER_NAME%', '- - - -\n'],
    [
      '%FILTER_STATE(downstream_peer:FIELD:workload)% %FILTER_STATE(upstream_peer)%',
      'web-v1 {"workload":"api-v1","namespace":"shop"}\n',
    ],
    [
      '%REQUESTED_SERVER_NAME% %REQUESTED_SERVER_NAME(SNI_FIRST)% %REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%',
      '- reviews:9080 reviews:9080\n',
    ],
    [
      '%COALESCE({"operators": ["REQUESTED_SERVER_NAME", {"command": "REQ", "param": ":authority", "max_length": 7}]})%',
      'reviews\n',
    ],
    ['%COALESCE({"operators": ["TRACE_ID"]})% %REQUEST_HEADER(x-own)% %RESPONSE_HEADER(x-app)%', '- mine echo\n'],
    ['%QUERY_PARAMS(ORIG)% %QUERY_PARAMS(DECODED)%', 'x=1 x=1\n'],
  ])('%s', (format, expected) => {
    const record = recordOf({
      flags: flagBit('URX') | flagBit('UF'),
      requestHeaders: new Map([
        ['x-own', 'mine'],
        ['authorization', 'Bearer x'],
      ]),
      responseHeaders: new Map([['x-app', 'echo']]),
      responseTrailers: new Map([['grpc-message', 'fine']]),
      grpcStatus: 5,
      requestEndMs: 3,
      upstreamSentMs: 1,
      upstreamHostName: 'h.example',
      peerSubject: 'CN=x',
      peerFingerprint: 'ab12',
      downstreamTransportFailure: 'no certificate',
      connection: {
        ...anyConnection,
        id: 7,
        directAddress: '192.0.2.1',
        directPort: 77,
        directLocalAddress: '10.1.2.3',
        directLocalPort: 15_006,
        filterChain: 'edge',
        peerPrincipal: 'spiffe://x/a',
        ownPrincipal: 'spiffe://x/b',
      },
      upstreamLink: new UpstreamLink(8, 'HTTP/2', undefined),
      downstreamWire: Object.assign(new WireMeter(), { received: 120, headReceived: 100, sent: 30 }),
      triedHosts: [
        { host: '10.0.0.1:80', hostname: 'a.example', beganMs: 0, connectionId: 0 },
        { host: '10.0.0.2:80', hostname: '', beganMs: 1, connectionId: 8 },
      ],
      poolReadyMs: 4,
      metadata: {
        route: { app: { team: 'red', deep: { a: 1 } } },
        cluster: { istio: { services: ['s'] } },
        host: { 'envoy.lb': { canary: true } },
      },
      sourceWorkload: 'web-v1;shop;web;v1;one',
      destinationWorkload: 'api-v1;shop;;;',
      localReply: 'no',
    });
    expect(textFormat(format, context())(record)).toBe(expected);
  });
  it.each([
    ['%NO_SUCH%', 'operator %NO_SUCH% is not supported'],
    ['%REQ%', 'operator %REQ% is not supported'],
    ['%CEL(request.nothing)%', 'request.nothing is not known'],
    ['%COMMON_DURATION(DS_RX_BEG:NEVER)%', 'is not supported'],
    ['%constructor%', 'is not supported'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(129)%', 'is not supported'],
    ['%METADATA(NOWHERE:a)%', 'is not supported'],
    ['%METADATA(ROUTE)%', 'is not supported'],
    ['%COALESCE({"operators": []})%', 'is not supported'],
    ['%COALESCE({"operators": ["NO_SUCH"]})%', 'operator %NO_SUCH% is not supported'],
    ['%COALESCE({"operators": [{"param": "x"}]})%', 'an operator is not written so'],
    ['%FILTER_STATE(a:FIELD)%', 'is not supported'],
    ['%CONNECTION_ID(x)%', 'is not supported'],
    ['%DOWNSTREAM_PEER_CERT_V_END(%q)%', 'time format "%q" is not supported'],
    ['100%', '"%" without its pair at 3'],
    ['%START_TIME(%q)%', 'time format "%q" is not supported'],
  ])('refuses %s', (format, message) => {
    expect(() => textFormat(format, context('Listener "l"'))).toThrow(message);
  });
  it('knows fractions and literals of time formats', () => {
    expect(formatTime('%F %T,%f%%')?.(AT)).toBe('2026-03-04 05:06:07,089000000%');
    expect(formatTime('%')).toBeUndefined();
  });
});

describe('JSON', () => {
  const tree = {
    method: '%REQ(:METHOD)%',
    code: '%RESPONSE_CODE%',
    xff: '%REQ(X-FORWARDED-FOR)%',
    both: '%PROTOCOL% %ROUTE_NAME%',
    deep: { agent: '%REQ(USER-AGENT)%', fixed: 7 },
  };
  it('keeps types, writes null for what is missing, and escapes', () => {
    const line = jsonFormat(tree, context())(recordOf({ userAgent: 'a\n"' }));
    expect(line.endsWith('}\n')).toBe(true);
    expect(line.split('\n')).toHaveLength(2);
    expect(JSON.parse(line)).toEqual({
      method: 'GET',
      code: 200,
      xff: null,
      both: 'HTTP/1.1 default',
      deep: { agent: 'a\n"', fixed: 7 },
    });
  });
  it('leaves out what is missing when told to', () => {
    expect(JSON.parse(jsonFormat(tree, context(), { omitEmpty: true })(recordOf()))).not.toHaveProperty('xff');
  });
});

const OWN = { requestHeaders: new Map([['x-own', 'mine']]) };
const cel = (expression: string): JsonObject => ({
  extensionFilter: {
    name: 'envoy.access_loggers.extension_filters.cel',
    typedConfig: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
      expression,
    },
  },
});

describe('filters', () => {
  const passes = (filter: JsonObject, given: Partial<RequestRecord>): boolean | undefined =>
    compileFilter(fileLog({ path: '/x' }, filter).filter, filterContext())?.(recordOf(given));
  it.each<[JsonObject, Partial<RequestRecord>, boolean]>([
    [
      { statusCodeFilter: { comparison: { op: 'GE', value: { defaultValue: 500, runtimeKey: 'k' } } } },
      { code: 503 },
      true,
    ],
    [
      { statusCodeFilter: { comparison: { op: 'GE', value: { defaultValue: 500, runtimeKey: 'k' } } } },
      { code: 200 },
      false,
    ],
    [
      { statusCodeFilter: { comparison: { op: 'EQ', value: { defaultValue: 404, runtimeKey: 'k' } } } },
      { code: 404 },
      true,
    ],
    [
      { statusCodeFilter: { comparison: { op: 'LE', value: { defaultValue: 399, runtimeKey: 'k' } } } },
      { code: 404 },
      false,
    ],
    [{ responseFlagFilter: {} }, { flags: flagBit('UH') }, true],
    [{ responseFlagFilter: { flags: ['UH', 'NFCF'] } }, { flags: flagBit('UH') }, true],
    [{ durationFilter: { comparison: { op: 'GE', value: { defaultValue: 10 } } } }, { durationMs: 9 }, false],
    [{ durationFilter: { comparison: { op: 'GE', value: { defaultValue: 10 } } } }, { durationMs: 10 }, true],
    [{ notHealthCheckFilter: {} }, {}, true],
    [{ traceableFilter: {} }, { traceId: 'a' }, true],
    [{ traceableFilter: {} }, {}, false],
    [{ runtimeFilter: { percentSampled: { numerator: 100 } } }, {}, true],
    [{ runtimeFilter: {} }, {}, false],
    [{ andFilter: { filters: [{ responseFlagFilter: {} }, { traceableFilter: {} }] } }, { flags: 1 }, false],
    [{ orFilter: { filters: [{ responseFlagFilter: {} }, { traceableFilter: {} }] } }, { flags: 1 }, true],
    [{ headerFilter: { header: { name: 'x-own', stringMatch: { prefix: 'm' } } } }, OWN, true],
    [{ headerFilter: { header: { name: 'x-own', presentMatch: true, invertMatch: true } } }, OWN, false],
    [{ headerFilter: { header: { name: ':path', stringMatch: { prefix: '/reviews' } } } }, {}, true],
    [{ headerFilter: { header: { name: ':method', exactMatch: 'POST' } } }, {}, false],
    [{ grpcStatusFilter: { statuses: ['NOT_FOUND', 'OK'] } }, { grpcStatus: 5 }, true],
    [{ grpcStatusFilter: { statuses: ['NOT_FOUND'], exclude: true } }, { grpcStatus: 5 }, false],
    [{ grpcStatusFilter: { statuses: ['OK'] } }, {}, false],
    [{ metadataFilter: {} }, {}, true],
    [{ metadataFilter: { matchIfKeyNotFound: false } }, {}, false],
    [{ logTypeFilter: { types: ['TcpConnectionEnd'] } }, { protocol: 'TCP' }, true],
    [{ logTypeFilter: { types: ['TcpConnectionEnd'] } }, {}, false],
    [cel('response.code >= 400 || request.headers["x-own"] == "mine"'), OWN, true],
    [cel('response.code >= 400'), {}, false],
    [cel('request.headers["x-own"] == "mine"'), {}, false],
    [{ responseFlagFilter: { flags: ['NR'] } }, { flags: flagBit('UH') }, false],
  ])('%j', (filter, given, expected) => {
    const plain = JSON.parse(
      JSON.stringify(filter, (key, value: unknown) => (key === 'runtimeKey' ? undefined : value)),
    ) as JsonObject;
    expect(passes(plain, given)).toBe(expected);
  });
  it('samples a share', () => {
    const half = compileFilter(
      fileLog({ path: '/x' }, { runtimeFilter: { percentSampled: { numerator: 50 } } }).filter,
      filterContext(),
    );
    const passed = Array.from({ length: 1000 }, () => half?.(recordOf())).filter(Boolean).length;
    expect(Math.abs(passed - 500)).toBeLessThan(80);
  });
  it('and formats say which headers they need', () => {
    const wanted = new Wanted();
    compileFilter(
      fileLog({ path: '/x' }, cel('request.headers["x-a"] != "" && has(response.trailers.t)')).filter,
      filterContext(wanted),
    );
    textFormat('%REQ(X-B?:METHOD)% %RESP(c)% %TRAILER(T)% %REQ(user-agent)%', context('r', wanted));
    expect(wanted.asked).toMatchObject({ request: ['x-a', 'x-b'], response: ['c'], trailers: ['t'] });
    expect(new Wanted().asked).toBeUndefined();
  });
  it('refuses a flag nobody knows, and a filter of another kind', () => {
    expect(() => passes({ responseFlagFilter: { flags: ['XX'] } }, {})).toThrow('"XX" is not known');
    expect(() => compileFilter(create(AccessLogSchema, { filter: {} }).filter, filterContext())).toThrow(
      'not supported',
    );
  });
});

describe('access logs', () => {
  it('append to the file that a listener names, in batches', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'access.log');
    const seen: RequestRecord[] = [];
    const logs = createAccessLogs({
      ...DEPS,
      clock: systemClock,
      logger: silentLogger,
      onRecord: (record) => seen.push(record),
    });
    const first = logs.create([fileLog({ path, logFormat: { textFormat: '%RESPONSE_CODE%' } })], 'a');
    const second = logs.create(
      [fileLog({ path, logFormat: { jsonFormat: { c: '%RESPONSE_CODE%' } } }, { responseFlagFilter: {} })],
      'b',
    );
    first.log(recordOf());
    second.log(recordOf());
    second.log(recordOf({ code: 503, flags: flagBit('UH') }));
    await waitFor(async () => (await readFile(path, 'utf8')) === '200\n{"c":503}\n');
    first.log(recordOf({ code: 404 }));
    await logs.close();
    expect(await readFile(path, 'utf8')).toBe('200\n{"c":503}\n404\n');
    expect(seen).toHaveLength(4);
    expect(logs.dropped()).toBe(0);
  });
  it('refuse what is no file, and a file that can not be opened', () => {
    const logs = createAccessLogs({ ...DEPS, clock: new FakeClock(), logger: silentLogger, onRecord: () => {} });
    expect(() => logs.create([fileLog({ path: '/no/such/folder/log' })], 'Listener "l"')).toThrow(
      'Listener "l": access log "/no/such/folder/log" can not be opened',
    );
    expect(() => logs.create([create(AccessLogSchema, { name: 'x' })], 'l')).toThrow('has no typed_config');
    const other = fileLog({ path: '/x' });
    if (other.configType.case === 'typedConfig') other.configType.value.typeUrl = 'type.googleapis.com/x.Grpc';
    expect(() => logs.create([other], 'l')).toThrow('only files and streams are supported');
  });
  it('go to a file of the same name after the former one was moved away', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'access.log');
    const logs = createAccessLogs({ ...DEPS, clock: systemClock, logger: silentLogger, onRecord: () => {} });
    const logger = logs.create([fileLog({ path, format: '%RESPONSE_CODE%' })], 'a');
    logger.log(recordOf());
    await waitFor(async () => (await readFile(path, 'utf8')) === '200\n');
    await rename(path, `${path}.1`);
    logger.log(recordOf({ code: 404 }));
    expect(logs.reopen()).toEqual([]);
    logger.log(recordOf({ code: 503 }));
    await waitFor(async () => (await readFile(path, 'utf8')) === '404\n503\n');
    expect(await readFile(`${path}.1`, 'utf8')).toBe('200\n');
    await dir.remove();
    expect(logs.reopen()).toEqual([path]);
    await logs.close();
  });
  it('a full disk costs lines, which are counted, and nothing else', async () => {
    const logs = createAccessLogs({ ...DEPS, clock: systemClock, logger: silentLogger, onRecord: () => {} });
    const logger = logs.create([fileLog({ path: '/dev/full', format: '%RESPONSE_CODE%' })], 'a');
    for (let i = 0; i < 10; i += 1) logger.log(recordOf());
    await waitFor(() => logs.dropped() === 10, { what: 'lines without room' });
    logger.log(recordOf());
    await logs.close();
    expect(logs.dropped()).toBe(11);
  });
  it('may go to standard output', () => {
    const log = create(AccessLogSchema, { name: 'stdout' });
    log.configType = {
      case: 'typedConfig',
      value: {
        $typeName: 'google.protobuf.Any',
        typeUrl: `type.googleapis.com/${StdoutAccessLogSchema.typeName}`,
        value: toBinary(StdoutAccessLogSchema, create(StdoutAccessLogSchema)),
      },
    };
    const logs = createAccessLogs({ ...DEPS, clock: new FakeClock(), logger: silentLogger, onRecord: () => {} });
    expect(() => logs.create([log], 'a')).not.toThrow();
  });
  it('drop and count what finds no room', async () => {
    await using dir = await tempDir();
    const writer = createLineWriter(join(dir.path, 'l'), { clock: new FakeClock(), logger: silentLogger });
    const line = `${'x'.repeat(300_000)}\n`;
    // The first batch is on its way while the rest waits.
    for (let i = 0; i < 6; i += 1) writer.write(line);
    expect(writer.dropped).toBe(2);
    await writer.close();
    expect((await readFile(join(dir.path, 'l'), 'utf8')).length).toBe(4 * line.length);
  });
});
