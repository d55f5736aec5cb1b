import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { type AccessLog, AccessLogSchema } from '@weft/contracts/lean/envoy/config/accesslog/v3/accesslog';
import { FileAccessLogSchema } from '@weft/contracts/lean/envoy/extensions/access_loggers/file/v3/file';
import { silentLogger, systemClock } from '@weft/kit';
import { FakeClock, tempDir, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { RequestRecord } from '../request-record.ts';
import { flagBit } from '../response-flags.ts';
import { createAccessLogs } from './access-logs.ts';
import { DEFAULT_TEXT_FORMAT, jsonFormat, textFormat } from './format.ts';
import { createLineWriter } from './line-writer.ts';
import { compileFilter } from './log-filter.ts';
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
const fileLog = (json: JsonObject, filter?: JsonObject): AccessLog => {
  const log = fromJson(AccessLogSchema, filter === undefined ? { name: 'file' } : { name: 'file', filter });
  const value = toBinary(FileAccessLogSchema, fromJson(FileAccessLogSchema, json));
  log.configType = {
    case: 'typedConfig',
    value: { $typeName: 'google.protobuf.Any', typeUrl: `type.googleapis.com/${FileAccessLogSchema.typeName}`, value },
  };
  return log;
};

describe('text', () => {
  it('has the fields of the default line in order', () => {
    expect(textFormat(DEFAULT_TEXT_FORMAT, 'r')(recordOf())).toBe(
      '[2026-03-04T05:06:07.089Z] "GET /reviews/0?x=1 HTTP/1.1" 200 - via_upstream - "-" 1 295 12 10 "-" "curl/8" "id-1" "reviews:9080" ' +
        '"127.66.3.1:9080" outbound|9080||reviews.default.svc.cluster.local 127.0.0.1:5 127.66.1.2:9080 127.0.0.1:6 - default\n',
    );
  });
  it('prints dashes for a TCP connection', () => {
    const line = textFormat(
      '%REQ(:METHOD)% %PROTOCOL% %RESPONSE_CODE% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %BYTES_SENT%',
      'r',
    );
    expect(line(Object.assign(new RequestRecord(), { protocol: 'TCP', responseBytes: 3 }))).toBe('- - 0 - 3\n');
  });
  it('escapes what would end a line, move a cursor or close a quote', () => {
    const line = textFormat(
      '"%REQ(USER-AGENT)%" %REQ(:PATH):9%',
      'r',
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
  ])('%s', (format, expected) => {
    expect(textFormat(format, 'r')(recordOf({ flags: flagBit('URX') | flagBit('UF') }))).toBe(expected);
  });
  it.each([
    ['%NO_SUCH%', 'operator %NO_SUCH% is not supported'],
    ['%REQ(x-secret)%', 'operator %REQ(x-secret)% is not supported'],
    ['100%', '"%" without its pair at 3'],
    ['%START_TIME(%q)%', 'time format "%q" is not supported'],
  ])('refuses %s', (format, message) => {
    expect(() => textFormat(format, 'Listener "l"')).toThrow(message);
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
    const line = jsonFormat(tree, 'r')(recordOf({ userAgent: 'a\n"' }));
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
    expect(JSON.parse(jsonFormat(tree, 'r', true)(recordOf()))).not.toHaveProperty('xff');
  });
});

describe('filters', () => {
  const passes = (filter: JsonObject, given: Partial<RequestRecord>): boolean | undefined =>
    compileFilter(fileLog({ path: '/x' }, filter).filter, 'r')?.(recordOf(given));
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
    [{ responseFlagFilter: { flags: ['NR'] } }, { flags: flagBit('UH') }, false],
  ])('%j', (filter, given, expected) => {
    const plain = JSON.parse(
      JSON.stringify(filter, (key, value: unknown) => (key === 'runtimeKey' ? undefined : value)),
    ) as JsonObject;
    expect(passes(plain, given)).toBe(expected);
  });
  it('refuses a flag nobody knows, and a filter of another kind', () => {
    expect(() => passes({ responseFlagFilter: { flags: ['XX'] } }, {})).toThrow('"XX" is not known');
    expect(() => compileFilter(create(AccessLogSchema, { filter: {} }).filter, 'r')).toThrow('not supported');
  });
});

describe('access logs', () => {
  it('append to the file that a listener names, in batches', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'access.log');
    const seen: RequestRecord[] = [];
    const logs = createAccessLogs({
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
    const logs = createAccessLogs({ clock: new FakeClock(), logger: silentLogger, onRecord: () => {} });
    expect(() => logs.create([fileLog({ path: '/no/such/folder/log' })], 'Listener "l"')).toThrow(
      'Listener "l": access log "/no/such/folder/log" can not be opened',
    );
    expect(() => logs.create([create(AccessLogSchema, { name: 'x' })], 'l')).toThrow('has no typed_config');
    const other = fileLog({ path: '/x' });
    if (other.configType.case === 'typedConfig') other.configType.value.typeUrl = 'type.googleapis.com/x.Grpc';
    expect(() => logs.create([other], 'l')).toThrow('only files are supported');
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
