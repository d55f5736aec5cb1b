/** Routing, balancing and resilience seen by a caller: real sidecars, configuration by `weft apply`. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { http, keepAlive, many, type Answer } from '../harness/http.ts';
import { startEcho } from '../harness/programs.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { withinBinomial } from '../harness/statistics.ts';

interface Echo {
  readonly name: string;
  readonly version: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

const echoOf = (answer: Answer): Echo => JSON.parse(answer.body) as Echo;

let mesh: TestMesh;
/** Where the client workload calls service echo. */
let echo: string;

beforeAll(async () => {
  mesh = await startMesh();
  await Promise.all([
    startEcho(mesh, { service: 'echo', version: 'v1' }),
    startEcho(mesh, { service: 'echo', version: 'v2' }),
    startEcho(mesh, { service: 'other', version: 'v1' }),
  ]);
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client', labels: ['team=blue'] });
  await mesh.apply(DESTINATIONS);
  echo = await mesh.outbound('client', 'echo', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());
// Each test applies routes of its own to the same host; none may leave them to the next.
afterEach(() => mesh.delete('vs/echo'));

const DESTINATIONS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo }
spec:
  host: echo
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
    - { name: v9, labels: { version: v9 } }
`;

/** A VirtualService for echo with these http routes. */
const routes = (http_: string, hosts = '[echo]'): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: ${hosts}
  http:
${http_.replaceAll(/^/gm, '    ')}
`;

const to = (subset: string): string => `route: [{ destination: { host: echo, subset: ${subset} } }]`;

describe('TR-01 host and short-name resolution', () => {
  it.each([
    'echo',
    'echo:8000',
    'echo.default',
    'echo.default.svc',
    'echo.default.svc.cluster.local',
    'ECHO.default.svc.cluster.local',
  ])('TR-01 a call to Host %s reaches the service', async (host) => {
    const answer = await http(`${echo}/`, { headers: { host } });
    expect([answer.status, echoOf(answer).name]).toEqual([200, 'echo']);
  });

  it('TR-01 a VirtualService that names the host in full wins over a wildcard, and an unknown host has no route', async () => {
    const proxy = await mesh.byHost('client', 8000);
    await mesh.apply(`${routes(`- ${to('v2')}`, '[echo.default.svc.cluster.local]')}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: wild }
spec:
  hosts: ["*.default.svc.cluster.local"]
  http: [{ ${to('v1')} }]
`);
    const versions = await many(20, () => http(`${echo}/`, { headers: { host: 'echo.default.svc.cluster.local' } }));
    expect(new Set(versions.map((answer) => echoOf(answer).version))).toEqual(new Set(['v2']));
    // The wildcard takes what has no route of its own.
    const other = await http(`${proxy}/`, { headers: { host: 'other.default.svc.cluster.local:8000' } });
    expect(echoOf(other).name).toBe('echo');
    await mesh.delete('vs/wild');
  });
});

describe('TR-02 subsets by label', () => {
  it('TR-02 each subset is only the workloads with its labels', async () => {
    for (const subset of ['v1', 'v2']) {
      await mesh.apply(routes(`- ${to(subset)}`));
      const answers = await many(20, () => http(`${echo}/`));
      expect(new Set(answers.map((answer) => echoOf(answer).version))).toEqual(new Set([subset]));
    }
  });

  it('TR-02 an undefined subset is 503 NC, an empty one 503 UH', async () => {
    await mesh.apply(routes(`- ${to('missing')}`));
    expect(await http(`${echo}/`)).toMatchObject({ status: 503, headers: { 'x-weft-reason': 'cluster-not-found' } });
    await mesh.apply(routes(`- ${to('v9')}`));
    expect(await http(`${echo}/`)).toMatchObject({ status: 503, headers: { 'x-weft-reason': 'no-healthy-upstream' } });
  });
});

describe('TR-03 match conditions', () => {
  const MATCHES = `
- name: exact
  match: [{ uri: { exact: /exact } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: exact } } } }]
- name: insensitive
  match: [{ uri: { prefix: /CaSe }, ignoreUriCase: true }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: insensitive } } } }]
- name: regex
  match: [{ uri: { regex: "/items/[0-9]+" } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: regex } } } }]
- name: method
  match: [{ method: { exact: DELETE } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: method } } } }]
- name: header
  match: [{ headers: { x-user: { exact: jason }, x-tier: { prefix: go } } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: header } } } }]
- name: without
  match: [{ uri: { prefix: /without }, withoutHeaders: { x-secret: {} } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: without } } } }]
- name: query
  match: [{ queryParams: { version: { exact: beta } } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: query } } } }]
- name: authority
  match: [{ authority: { prefix: echo.default.svc } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: authority } } } }]
- name: otherteam
  match: [{ uri: { prefix: /team }, sourceLabels: { team: red } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: otherteam } } } }]
- name: ownteam
  match: [{ uri: { prefix: /team }, sourceLabels: { team: blue }, sourceNamespace: default }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: ownteam } } } }]
- name: port
  match: [{ uri: { prefix: /port }, port: 8000 }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: port } } } }]
- name: otherport
  match: [{ uri: { prefix: /wrong }, port: 8001 }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: otherport } } } }]
- name: scheme
  match: [{ uri: { prefix: /scheme }, scheme: { exact: http } }]
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: scheme } } } }]
- name: rest
  route: [{ destination: { host: echo }, headers: { response: { set: { x-route: rest } } } }]
`;
  it('TR-03 each request takes the first route all of whose conditions hold', async () => {
    await mesh.apply(routes(MATCHES.trim()));
    const table: readonly (readonly [string, string, { method?: string; headers?: Record<string, string> }?])[] = [
      ['exact', '/exact'],
      ['exact', '/exact?with=query'],
      ['rest', '/exact/more'],
      ['insensitive', '/cAsE/more'],
      ['regex', '/items/42'],
      ['rest', '/items/42/more'],
      ['method', '/any', { method: 'DELETE' }],
      ['header', '/any', { headers: { 'x-user': 'jason', 'x-tier': 'gold' } }],
      ['rest', '/any', { headers: { 'x-user': 'jason' } }],
      ['rest', '/any', { headers: { 'x-user': 'Jason', 'x-tier': 'gold' } }],
      ['without', '/without'],
      ['rest', '/without', { headers: { 'x-secret': '1' } }],
      ['query', '/any?a=1&version=beta'],
      ['rest', '/any?version=betamax'],
      ['authority', '/any', { headers: { host: 'echo.default.svc.cluster.local' } }],
      ['ownteam', '/team'],
      ['port', '/port'],
      ['rest', '/wrong'],
      ['scheme', '/scheme'],
      ['exact', '/exact', { method: 'DELETE', headers: { 'x-user': 'jason', 'x-tier': 'gold' } }],
    ];
    const got = await Promise.all(
      table.map(([, path, call]) => http(`${echo}${path}`, { headers: { host: 'echo' }, ...call })),
    );
    expect(got.map((answer) => answer.headers['x-route'])).toEqual(table.map(([route]) => route));
  });

  it('TR-03 a request that no route takes is 404 NR, and a regex that does not compile is refused at apply', async () => {
    await mesh.apply(routes(`- match: [{ uri: { exact: /only } }]\n  ${to('v1')}`));
    expect(await http(`${echo}/other`)).toMatchObject({ status: 404, headers: { 'x-weft-reason': 'no-route' } });
    const bad = await mesh.weft(['apply', '-f', '-'], {
      input: routes(`- match: [{ uri: { regex: "(" } }]\n  ${to('v1')}`),
    });
    expect(bad.code).toBe(65);
    expect(bad.stderr).toMatch(/spec\.http\[0\]\.match\[0\]\.uri\.regex/);
  });
});

describe('TR-04 weighted split', () => {
  it('TR-04 10 000 calls at 25 to 75 stay inside the binomial bounds of 99.99 %', async () => {
    await mesh.apply(
      routes(`- route:
    - { destination: { host: echo, subset: v1 }, weight: 25 }
    - { destination: { host: echo, subset: v2 }, weight: 75 }`),
    );
    const agent = keepAlive(8);
    let v1 = 0;
    const answers = await many(10_000, () => http(`${echo}/`, { agent }), 8);
    for (const answer of answers) if (echoOf(answer).version === 'v1') v1 += 1;
    agent.destroy();
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(withinBinomial(v1, 10_000, 0.25)).toBe(true);
  });

  it('TR-04 a weight of 0 is never chosen, and negative weights are refused', async () => {
    await mesh.apply(
      routes(`- route:
    - { destination: { host: echo, subset: v1 }, weight: 0 }
    - { destination: { host: echo, subset: v2 }, weight: 100 }`),
    );
    const answers = await many(200, () => http(`${echo}/`));
    expect(new Set(answers.map((answer) => echoOf(answer).version))).toEqual(new Set(['v2']));
    const bad = await mesh.weft(['apply', '-f', '-'], {
      input: routes(`- route: [{ destination: { host: echo }, weight: -1 }]`),
    });
    expect([bad.code, bad.stderr]).toEqual([65, expect.stringContaining('weight')]);
  });
});

describe('TR-05 header operations', () => {
  it('TR-05 set, add and remove on request and response, at the route and at the destination', async () => {
    await mesh.apply(
      routes(`- headers:
    request: { set: { x-set: route }, add: { x-add: route }, remove: [x-gone] }
    response: { set: { x-answer: route }, remove: [x-app] }
  route:
    - destination: { host: echo, subset: v1 }
      headers:
        request: { add: { x-add: destination }, set: { x-dest: "1" } }
        response: { add: { x-extra: destination } }`),
    );
    const answer = await http(`${echo}/`, { headers: { 'x-set': 'client', 'x-gone': '1', 'x-kept': '1' } });
    const seen = echoOf(answer).headers;
    expect(seen).toMatchObject({ 'x-set': 'route', 'x-dest': '1', 'x-kept': '1' });
    expect(seen['x-add']?.split(', ').sort()).toEqual(['destination', 'route']);
    expect(seen).not.toHaveProperty('x-gone');
    expect(answer.headers).toMatchObject({ 'x-answer': 'route', 'x-extra': 'destination' });
    expect(answer.headers).not.toHaveProperty('x-app');
  });
});

describe('RE-01 timeouts', () => {
  it('RE-01 a route that takes too long is 504 UT; one in time is not', async () => {
    await mesh.apply(routes(`- timeout: 500ms\n  ${to('v1')}`));
    const late = await http(`${echo}/?delay=3000`);
    expect(late).toMatchObject({ status: 504, headers: { 'x-weft-reason': 'route-timeout' } });
    expect((await http(`${echo}/?delay=50`)).status).toBe(200);
  });

  it('RE-01 a try that takes too long is tried again', async () => {
    await mesh.apply(
      routes(`- timeout: 5s\n  retries: { attempts: 2, perTryTimeout: 300ms, retryOn: 5xx }\n  ${to('v1')}`),
    );
    const late = await http(`${echo}/?delay=3000`);
    expect(late.status).toBe(504);
    expect(late.ms).toBeGreaterThanOrEqual(3 * 300 - 50);
  });
});

describe('RE-02 retries', () => {
  it('RE-02 a flaky upstream is tried again as often as allowed, with a growing attempt count', async () => {
    await mesh.apply(routes(`- retries: { attempts: 3, retryOn: 5xx }\n  ${to('v1')}`));
    const good = await http(`${echo}/?flaky=3`);
    expect(good.status).toBe(200);
    expect(Number(echoOf(good).headers['x-envoy-attempt-count'])).toBeGreaterThanOrEqual(1);
    // Each fourth call succeeds: with three retries every request does.
    const answers = [];
    for (let index = 0; index < 20; index += 1) answers.push((await http(`${echo}/?flaky=4`)).status);
    expect(answers).toEqual(Array.from({ length: 20 }, () => 200));
  });

  it("RE-02 an application's 503 is not retried without a policy that says so, and reaches the caller untouched", async () => {
    const before = await http(`${echo}/?status=503`, { headers: { host: 'echo' } });
    expect(before.status).toBe(503);
    expect(before.headers).not.toHaveProperty('x-weft-reason');
    expect(before.headers['x-app']).toBe('echo');
    expect(echoOf(before).headers['x-envoy-attempt-count']).toBe('1');
  });

  it('RE-02 attempts 0 with another field set is refused', async () => {
    const bad = await mesh.weft(['apply', '-f', '-'], {
      input: routes(`- retries: { attempts: 0, retryOn: 5xx }\n  ${to('v1')}`),
    });
    expect([bad.code, bad.stderr]).toEqual([65, expect.stringContaining('retries')]);
  });
});

describe('RE-04 fault injection', () => {
  it('RE-04 an abort answers with its status for its share of requests, and marks them', async () => {
    await mesh.apply(routes(`- fault: { abort: { httpStatus: 418, percentage: { value: 50 } } }\n  ${to('v1')}`));
    const agent = keepAlive();
    const answers = await many(1000, () => http(`${echo}/`, { agent }));
    agent.destroy();
    const aborted = answers.filter((answer) => answer.status === 418);
    expect(withinBinomial(aborted.length, 1000, 0.5)).toBe(true);
    expect(
      aborted.every(
        (answer) => answer.headers['x-weft-reason'] === 'fault-abort' && answer.body === 'fault filter abort',
      ),
    ).toBe(true);
    expect(answers.filter((answer) => answer.status !== 418).every((answer) => answer.status === 200)).toBe(true);
  });

  it('RE-04 a delay holds only the requests that match', async () => {
    await mesh.apply(
      routes(`- match: [{ headers: { end-user: { exact: jason } } }]
  fault: { delay: { fixedDelay: 1s, percentage: { value: 100 } } }
  ${to('v1')}
- ${to('v1')}`),
    );
    expect((await http(`${echo}/`, { headers: { 'end-user': 'jason' } })).ms).toBeGreaterThanOrEqual(1000);
    await many(5, () => http(`${echo}/`));
    // The sidecar's log marks what it delayed: one of six.
    const delayed = async (): Promise<number> => {
      const { stdout } = await mesh.weft(['logs', 'client', '--proxy']);
      return stdout.split('\n').filter((line) => / 200 DI /.test(line)).length;
    };
    await waitFor(async () => (await delayed()) === 1, { what: 'one delayed request in the log' });
  });
});

describe('LB-01 balancers', () => {
  const policy = (simple: string): string =>
    DESTINATIONS.replace('  host: echo', `  host: echo\n  trafficPolicy: { loadBalancer: { simple: ${simple} } }`);
  const share = async (count: number): Promise<Map<string, number>> => {
    const agent = keepAlive(4);
    const answers = await many(count, () => http(`${echo}/`, { agent }), 4);
    agent.destroy();
    const counts = new Map<string, number>();
    for (const answer of answers) {
      const { version } = echoOf(answer);
      counts.set(version, (counts.get(version) ?? 0) + 1);
    }
    return counts;
  };

  it('LB-01 round robin gives each its turn', async () => {
    await mesh.apply(policy('ROUND_ROBIN'));
    const counts = await share(200);
    expect(Math.abs((counts.get('v1') ?? 0) - (counts.get('v2') ?? 0))).toBeLessThanOrEqual(2);
  });

  it('LB-01 random is fair in the long run', async () => {
    await mesh.apply(policy('RANDOM'));
    const counts = await share(1000);
    expect(withinBinomial(counts.get('v1') ?? 0, 1000, 0.5)).toBe(true);
  });

  it('LB-01 least request, the default, sends little to a slow workload; round robin gives it its half', async () => {
    const slow = await startEcho(mesh, { service: 'skew', version: 'v1', env: { DELAY_MS: '250' } });
    const quick = await startEcho(mesh, { service: 'skew', version: 'v2' });
    await mesh.synced();
    const skew = await mesh.outbound('client', 'skew', 8000);
    const slowShare = async (): Promise<number> => {
      const agent = keepAlive(8);
      const answers = await many(400, () => http(`${skew}/`, { agent }), 8);
      agent.destroy();
      return answers.filter((answer) => echoOf(answer).version === 'v1').length / answers.length;
    };
    expect(await slowShare()).toBeLessThan(0.3);
    await mesh.apply(policy('ROUND_ROBIN').replace('name: echo', 'name: skew').replace('host: echo', 'host: skew'));
    expect(Math.abs((await slowShare()) - 0.5)).toBeLessThan(0.02);
    await mesh.delete('dr/skew');
    await slow.stop();
    await quick.stop();
  });

  it('LB-01 an unknown balancer is refused by name', async () => {
    const bad = await mesh.weft(['apply', '-f', '-'], { input: policy('FASTEST') });
    expect([bad.code, bad.stderr]).toEqual([65, expect.stringContaining('loadBalancer.simple')]);
  });
});
