/** Who gets which call: hashes, places, slow start, sessions, and instances that are taken out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { http, keepAlive, many, type Answer } from '../harness/http.ts';
import { grpcClient } from '../harness/grpc.ts';
import { startMesh, type RunHandle, type TestMesh } from '../harness/mesh.ts';
import { programPath, startEcho } from '../harness/programs.ts';

const PLACES = { 'echo-1': 'eu/a/1', 'echo-2': 'eu/b/1', 'echo-3': 'us/a/1' } as const;
type Instance = keyof typeof PLACES;

let mesh: TestMesh;
let echo: string;
const running = new Map<string, RunHandle>();

async function start(name: Instance, env: Record<string, string> = {}): Promise<void> {
  running.set(
    name,
    await startEcho(mesh, {
      service: 'echo',
      version: 'v1',
      name,
      locality: PLACES[name],
      env: { NAME: name, ...env },
    }),
  );
  await known();
}

/** The client's sidecar has exactly the instances that run, and none that has still to say that it is ready. */
async function known(): Promise<void> {
  const client = (await mesh.supervisor()).workloads.find(({ name }) => name === 'client');
  if (client === undefined) return;
  await waitFor(
    async () => {
      const wanted = (await mesh.supervisor()).workloads
        .filter(({ name }) => running.has(name))
        .map(({ address, ports }) => `${address}:${ports[0]?.meshPort}`)
        .sort();
      const page = await (await fetch(`http://${client.adminAddress}/clusters`)).text();
      const hosts = new Set(
        [...page.matchAll(/^outbound\|8000\|\|echo\..*?::([\d.]+:\d+)::health_flags(?!.*failed_eds_health)/gm)].map(
          ([, host = '']) => host,
        ),
      );
      return [...hosts].sort().join() === wanted.join();
    },
    { what: `the client to know ${[...running.keys()].join(', ')}`, timeoutMs: 20_000 },
  );
}

async function stop(name: Instance): Promise<void> {
  await running.get(name)?.stop();
  running.delete(name);
  await known();
}

beforeAll(async () => {
  mesh = await startMesh();
  await Promise.all((Object.keys(PLACES) as Instance[]).map((name) => start(name)));
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client', locality: 'eu/a/1' });
  await mesh.synced();
  echo = await mesh.outbound('client', 'echo', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

const rule = (trafficPolicy: object): string =>
  JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'echo' },
    spec: { host: 'echo', trafficPolicy },
  });
const balance = (loadBalancer: object): Promise<void> => mesh.apply(rule({ loadBalancer }));

const app = ({ headers }: Answer): string => headers['x-app'] ?? '';

/** Calls by instance. */
async function spread(count: number, call: Parameters<typeof http>[1] = {}, url = echo): Promise<Map<string, number>> {
  const agent = keepAlive(4);
  const counts = new Map<string, number>();
  for (const answer of await many(count, () => http(url, { agent, ...call }), 4)) {
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
    counts.set(app(answer), (counts.get(app(answer)) ?? 0) + 1);
  }
  agent.destroy();
  return counts;
}
const names = (counts: ReadonlyMap<string, number>): string[] => [...counts.keys()].sort();

describe('LB-02 consistent hash', () => {
  const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);
  const owners = async (): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    for (const user of users) found.set(user, app(await http(echo, { headers: { 'x-user': user } })));
    return found;
  };

  it.each([
    ['ring hash', {}],
    ['maglev', { maglev: {} }],
  ])(
    'LB-02 %s: a header’s value stays with its instance, its absence does not, and one instance less moves its keys',
    async (_, algorithm) => {
      await balance({ consistentHash: { httpHeaderName: 'x-user', ...algorithm } });
      const before = await owners();
      expect(names(new Map([...before.values()].map((name) => [name, 1])))).toEqual(['echo-1', 'echo-2', 'echo-3']);
      expect(await owners()).toEqual(before);
      // Nothing to hash: any instance.
      expect(names(await spread(60))).toEqual(['echo-1', 'echo-2', 'echo-3']);
      await stop('echo-3');
      try {
        const after = await owners();
        const moved = users.filter((user) => before.get(user) !== 'echo-3' && before.get(user) !== after.get(user));
        expect([...after.values()]).not.toContain('echo-3');
        expect(moved.length).toBeLessThan(users.length / 3);
      } finally {
        await start('echo-3');
      }
      expect(await owners()).toEqual(before);
    },
  );

  it('LB-02 a cookie is made for clients without one, and keeps them where they are', async () => {
    const httpCookie = { name: 'user', path: '/', ttl: '1h', attributes: [{ name: 'SameSite', value: 'Strict' }] };
    await balance({ consistentHash: { httpCookie } });
    const seen = new Set<string>();
    for (let i = 0; i < 12; i += 1) {
      const first = await http(echo);
      expect(first.headers['set-cookie']).toMatch(
        /^user="[0-9a-f]{16}"; Max-Age=3600; Path=\/; SameSite=Strict; HttpOnly$/,
      );
      const cookie = (first.headers['set-cookie'] ?? '').split(';')[0] ?? '';
      for (let again = 0; again < 3; again += 1) {
        const answer = await http(echo, { headers: { cookie } });
        expect(app(answer)).toBe(app(first));
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
      seen.add(app(first));
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  it('LB-02 a query parameter, and the address of the client', async () => {
    await balance({ consistentHash: { httpQueryParameterName: 'user' } });
    const by = (user: string): Promise<Map<string, number>> => spread(12, {}, `${echo}/?user=${user}`);
    const all = new Set<string>();
    for (const user of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
      const found = names(await by(user));
      expect(found).toHaveLength(1);
      all.add(found[0] ?? '');
    }
    expect(all.size).toBeGreaterThan(1);
    await balance({ consistentHash: { useSourceIp: true } });
    expect(names(await spread(30))).toHaveLength(1);
    await mesh.delete('dr/echo');
    expect(names(await spread(60))).toHaveLength(3);
  });
});

describe('LB-02 consistent hash of connections', () => {
  it('LB-02 all connections of one client address go to one instance over TCP, and to any without a hash', async () => {
    const handles: RunHandle[] = [];
    for (const name of ['raw-1', 'raw-2', 'raw-3']) {
      const flags = ['--service=raw', `--name=${name}`, '--port=7000', '--protocol=tcp'];
      const program = ['--', process.execPath, programPath('echo.mjs')];
      handles.push(await mesh.run([...flags, ...program], { env: { NAME: name } }));
    }
    await mesh.synced();
    const raw = await mesh.outbound('client', 'raw', 7000);
    const found = async (): Promise<number> => {
      const seen = new Set<string>();
      for (let i = 0; i < 40; i += 1) seen.add(app(await http(raw)));
      return seen.size;
    };
    expect(await found()).toBeGreaterThan(1);
    await mesh.apply(rule({ loadBalancer: { consistentHash: { useSourceIp: true } } }).replaceAll('echo', 'raw'));
    expect(await found()).toBe(1);
    await mesh.delete('dr/raw');
    for (const handle of handles) await handle.stop();
  });
});

describe('LB-03 places', () => {
  const outlierDetection = { consecutive5xxErrors: 5, maxEjectionPercent: 100 };

  it('LB-03 calls stay in the zone, go to the region when it is empty, then elsewhere; without outlier detection they go anywhere', async () => {
    await mesh.apply(rule({ outlierDetection }));
    expect(names(await spread(40))).toEqual(['echo-1']);
    await stop('echo-1');
    expect(names(await spread(40))).toEqual(['echo-2']);
    await stop('echo-2');
    expect(names(await spread(40))).toEqual(['echo-3']);
    await Promise.all([start('echo-1'), start('echo-2')]);
    expect(names(await spread(40))).toEqual(['echo-1']);
    await mesh.apply(rule({ outlierDetection, loadBalancer: { localityLbSetting: { enabled: false } } }));
    expect(names(await spread(90))).toHaveLength(3);
  });

  it('LB-03 a region to fail over to, labels in their order, and shares of places', async () => {
    const localityLbSetting = { enabled: true, failoverPriority: ['topology.kubernetes.io/region=us'] };
    await mesh.apply(rule({ outlierDetection, loadBalancer: { localityLbSetting } }));
    expect(names(await spread(40))).toEqual(['echo-3']);
    await balance({
      localityLbSetting: { enabled: true, distribute: [{ from: 'eu/*', to: { 'eu/b/*': 25, 'us/*': 75 } }] },
    });
    const shares = await spread(200);
    expect(names(shares)).toEqual(['echo-2', 'echo-3']);
    expect(shares.get('echo-3')).toBeGreaterThan(130);
    expect(shares.get('echo-3')).toBeLessThan(170);
    await mesh.delete('dr/echo');
  });
});

describe('LB-03 what a service prefers', () => {
  it('LB-03 trafficDistribution: PreferClose keeps calls in the zone, for as long as the service says so', async () => {
    const service = (more: string): string =>
      `{apiVersion: v1, kind: Service, metadata: {name: echo}, spec: {selector: {app: echo}, ports: [{name: http, port: 8000}]${more}}}`;
    await mesh.apply(service(', trafficDistribution: PreferClose'));
    expect(names(await spread(40))).toEqual(['echo-1']);
    await mesh.apply(service(''));
    expect(names(await spread(90))).toHaveLength(3);
    await mesh.delete('service/echo');
  });
});

describe('LB-03 zones', () => {
  it('LB-03 callers of a zone stay at home as far as their part of the callers allows, and leave room to those of other zones', async () => {
    const other = await startEcho(mesh, { service: 'client', version: 'v1', name: 'client-2', locality: 'us/a/1' });
    await balance({ zoneAwareLbSetting: { enabled: true, minClusterSize: 3 } });
    // Half of the callers and a third of the instances are in eu/a: two thirds stay, the rest goes where nobody calls from.
    const shares = await spread(200);
    expect(names(shares)).toEqual(['echo-1', 'echo-2']);
    expect(shares.get('echo-1')).toBeGreaterThan(100);
    // Too few instances for zones to matter.
    await balance({ zoneAwareLbSetting: { enabled: true, minClusterSize: 4 } });
    expect(names(await spread(90))).toHaveLength(3);
    await mesh.delete('dr/echo');
    await other.stop();
  });
});

describe('LB-04 warm-up', () => {
  it('LB-04 a new instance gets its share little by little', async () => {
    await balance({ simple: 'ROUND_ROBIN', warmup: { duration: '12s', minimumPercent: 10 } });
    await stop('echo-3');
    // Those that stay are older than the window by now.
    const { startedAt } = await oldest();
    await waitFor(() => Date.now() - startedAt > 14_000, {
      timeoutMs: 60_000,
      everyMs: 200,
      what: 'two warm instances',
    });
    await start('echo-3');
    const early = (await spread(200)).get('echo-3') ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 13_000));
    const late = (await spread(200)).get('echo-3') ?? 0;
    expect(early).toBeLessThan(40);
    expect(late).toBeGreaterThan(55);
    await mesh.delete('dr/echo');
  });

  /** When the younger of the two that stay came to the client. */
  async function oldest(): Promise<{ readonly startedAt: number }> {
    const { items } = await mesh.api<{ items: { name: string; startedAt: string | number }[] }>('/api/v1/workloads');
    const times = items
      .filter(({ name }) => name === 'echo-1' || name === 'echo-2' || name === 'client')
      .map(({ startedAt }) => new Date(startedAt).getTime());
    return { startedAt: Math.max(...times) };
  }
});

describe('LB-05 persistent sessions', () => {
  const service = (label: string): string => `
apiVersion: v1
kind: Service
metadata: { name: echo, labels: { ${label} } }
spec: { selector: { app: echo }, ports: [{ name: http, port: 8000 }] }
`;
  it('LB-05 a cookie binds a client to the instance that answered first, until that is gone', async () => {
    await mesh.apply(service('istio.io/persistent-session: "bound"'));
    const first = await http(echo);
    const cookie = (first.headers['set-cookie'] ?? '').split(';')[0] ?? '';
    expect(cookie).toMatch(/^bound=/);
    expect(names(await spread(30, { headers: { cookie } }))).toEqual([app(first)]);
    // Without it, anywhere.
    expect(names(await spread(60)).length).toBeGreaterThan(1);
    await stop(app(first) as Instance);
    try {
      const moved = await http(echo, { headers: { cookie } });
      expect(moved.status).toBe(200);
      expect(app(moved)).not.toBe(app(first));
      expect(moved.headers['set-cookie']).toMatch(/^bound=/);
    } finally {
      await start(app(first) as Instance);
    }
  });

  it('LB-05 a header does the same', async () => {
    await mesh.apply(service('istio.io/persistent-session-header: "x-session"'));
    const first = await http(echo);
    const session = first.headers['x-session'] ?? '';
    expect(session).not.toBe('');
    expect(names(await spread(30, { headers: { 'x-session': session } }))).toEqual([app(first)]);
    // What nobody can read is as good as nothing.
    expect((await http(echo, { headers: { 'x-session': 'nonsense' } })).status).toBe(200);
    await mesh.delete('service/echo');
  });
});

describe('RE-06 outlier detection', () => {
  it('RE-06 an instance that fails is taken out, seen in /clusters, and tried again later; at the default percentage nobody is', async () => {
    await stop('echo-3');
    await start('echo-3', { FAIL_STATUS: '500' });
    const outlier = { consecutive5xxErrors: 3, interval: '500ms', baseEjectionTime: '2s' };
    const failures = async (count: number): Promise<number> => {
      const agent = keepAlive(4);
      const answers = await many(count, () => http(echo, { agent }), 4);
      agent.destroy();
      return answers.filter(({ status }) => status === 500).length;
    };
    const off = { localityLbSetting: { enabled: false } };
    await mesh.apply(rule({ outlierDetection: outlier, loadBalancer: off }));
    expect(await failures(90)).toBeGreaterThan(15);
    await mesh.apply(
      rule({ outlierDetection: { ...outlier, baseEjectionTime: '1h', maxEjectionPercent: 100 }, loadBalancer: off }),
    );
    await failures(60);
    expect(await failures(60)).toBe(0);
    const { adminAddress } = await mesh.workload('client');
    const page = await (await fetch(`http://${adminAddress}/clusters`)).text();
    const flags = page
      .split('\n')
      .filter((line) => line.startsWith('outbound|8000||echo.') && line.includes('health_flags'));
    expect(flags.filter((line) => line.endsWith('::/failed_outlier_check'))).toHaveLength(1);
    expect(flags.filter((line) => line.endsWith('::healthy'))).toHaveLength(2);
    // An update of the endpoints does not bring it back: it is still the same host.
    await stop('echo-2');
    expect(await failures(30)).toBe(0);
    await start('echo-2');
    expect(await failures(30)).toBe(0);
    // A shorter time of ejection does.
    await mesh.apply(rule({ outlierDetection: { ...outlier, maxEjectionPercent: 100 }, loadBalancer: off }));
    await waitFor(async () => (await failures(10)) > 0, { timeoutMs: 30_000, what: 'the instance to be tried again' });
    // Two of three out: below the share of healthy ones that is asked for, all are used; without one, none that fails.
    await stop('echo-2');
    await start('echo-2', { FAIL_STATUS: '500' });
    const long = { ...outlier, baseEjectionTime: '1h', maxEjectionPercent: 100 };
    await mesh.apply(rule({ outlierDetection: { ...long, minHealthPercent: 50 }, loadBalancer: off }));
    await failures(60);
    expect(await failures(60)).toBeGreaterThan(20);
    await mesh.apply(rule({ outlierDetection: long, loadBalancer: off }));
    expect(await failures(60)).toBe(0);
    await stop('echo-2');
    await start('echo-2');
    await stop('echo-3');
    await start('echo-3');
    await mesh.delete('dr/echo');
  });
});

describe('RE-07 active health checks', () => {
  const policy = (check: object): string =>
    JSON.stringify({
      apiVersion: 'weft.dev/v1',
      kind: 'HealthCheckPolicy',
      metadata: { name: 'echo' },
      spec: { host: 'echo', interval: '200ms', timeout: '5s', unhealthyThreshold: 2, ...check },
    });
  const failures = async (count: number): Promise<number> => {
    const agent = keepAlive(4);
    const answers = await many(count, () => http(echo, { agent }), 4);
    agent.destroy();
    return answers.filter(({ status }) => status !== 200).length;
  };

  it('RE-07 an instance that does not answer as asked gets no calls, although it is registered as well; a check that it passes lets it stay', async () => {
    await stop('echo-3');
    await start('echo-3', { FAIL_STATUS: '500' });
    expect(await failures(90)).toBeGreaterThan(15);
    // It takes connections, and it answers on the path of its own health.
    await mesh.apply(policy({ tcp: {} }));
    expect(await failures(90)).toBeGreaterThan(15);
    await mesh.apply(policy({ http: { path: '/health' } }));
    expect(await failures(90)).toBeGreaterThan(15);
    await mesh.apply(policy({ http: { path: '/ready' } }));
    await waitFor(async () => (await failures(30)) === 0, {
      timeoutMs: 30_000,
      what: 'the ill instance to be left out',
    });
    expect(await failures(60)).toBe(0);
    const { adminAddress } = await mesh.workload('client');
    const page = await (await fetch(`http://${adminAddress}/clusters`)).text();
    expect(page).toMatch(/^outbound\|8000\|\|echo\..*::health_flags::\/failed_active_hc$/m);
    await mesh.delete('healthcheckpolicy/echo');
    expect(await failures(90)).toBeGreaterThan(15);
    await stop('echo-3');
    await start('echo-3');
  });
});

describe('RE-07 active health checks by gRPC', () => {
  it('RE-07 only instances that say SERVING for the service that is asked about get calls', async () => {
    const handles: RunHandle[] = [];
    for (const [version, HEALTH] of [
      ['v1', '1'],
      ['v2', '2'],
    ] as const) {
      const program = ['--', process.execPath, programPath('grpc.mjs')];
      const flags = ['--service=calls', `--version=${version}`, '--port=9000', '--protocol=grpc'];
      handles.push(await mesh.run([...flags, ...program], { env: { VERSION: version, HEALTH } }));
    }
    await mesh.synced();
    using client = grpcClient(await mesh.outbound('client', 'calls', 9000));
    const versions = async (): Promise<Set<string | undefined>> => {
      const found = new Set<string | undefined>();
      for (let i = 0; i < 24; i += 1) found.add((await client.unary({ text: 'x' })).answers[0]?.version);
      return found;
    };
    expect(await versions()).toEqual(new Set(['v1', 'v2']));
    const check = (service: string): Promise<void> =>
      mesh.apply(
        JSON.stringify({
          apiVersion: 'weft.dev/v1',
          kind: 'HealthCheckPolicy',
          metadata: { name: 'calls' },
          spec: { host: 'calls', interval: '200ms', timeout: '5s', unhealthyThreshold: 2, grpc: { service } },
        }),
      );
    await check('calls');
    await waitFor(async () => (await versions()).size === 1, {
      timeoutMs: 30_000,
      what: 'one instance to be left out',
    });
    expect(await versions()).toEqual(new Set(['v1']));
    // Nobody knows that service: nobody is left.
    await check('unheard-of');
    await waitFor(async () => (await client.unary({ text: 'x' })).code === 14, {
      timeoutMs: 30_000,
      what: 'nobody to be left',
    });
    await mesh.delete('healthcheckpolicy/calls');
    expect(await versions()).toEqual(new Set(['v1', 'v2']));
    for (const handle of handles) await handle.stop();
  });
});

describe('LB-01 a fixed instance', () => {
  it('LB-01 one named instance gets all calls, the others only when it is gone', async () => {
    await mesh.apply(
      rule({
        outlierDetection: { consecutive5xxErrors: 5, maxEjectionPercent: 100 },
        loadBalancer: {
          localityLbSetting: { enabled: true, failoverPriority: ['service.istio.io/workload-name=echo-2'] },
        },
      }),
    );
    expect(names(await spread(40))).toEqual(['echo-2']);
    await stop('echo-2');
    expect(names(await spread(60))).toEqual(['echo-1', 'echo-3']);
    await start('echo-2');
    expect(names(await spread(40))).toEqual(['echo-2']);
    await mesh.delete('dr/echo');
    expect(names(await spread(90))).toHaveLength(3);
  });
});

describe('RE-02 retries elsewhere, and how many at a time', () => {
  const retries = (settings: object): string =>
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'echo' },
      spec: { hosts: ['echo'], http: [{ route: [{ destination: { host: 'echo' } }], retries: settings }] },
    });
  const statuses = async (count: number): Promise<Set<number>> =>
    new Set((await many(count, () => http(echo), 1)).map(({ status }) => status));

  it('RE-02 a third attempt goes to another place when remote localities are allowed, else it stays', async () => {
    await stop('echo-1');
    await start('echo-1', { FAIL_STATUS: '503' });
    // It is the only one in the client's zone, and fails too seldom to be taken out.
    await mesh.apply(rule({ outlierDetection: { consecutive5xxErrors: 100_000 } }));
    const settings = { attempts: 2, retryOn: '503' };
    await mesh.apply(retries(settings));
    expect(await statuses(10)).toEqual(new Set([503]));
    await mesh.apply(retries({ ...settings, retryRemoteLocalities: true }));
    expect(await statuses(10)).toEqual(new Set([200]));
    await mesh.apply(retries({ attempts: 1, retryOn: '503', retryRemoteLocalities: true }));
    expect(await statuses(10)).toEqual(new Set([503]));
  });

  it('RE-02 a budget of nothing allows no retry, a budget of some does', async () => {
    const off = { localityLbSetting: { enabled: false } };
    await mesh.apply(retries({ attempts: 3, retryOn: '503' }));
    await mesh.apply(rule({ loadBalancer: off, retryBudget: { percent: 0, minRetryConcurrency: 0 } }));
    expect(await statuses(30)).toEqual(new Set([200, 503]));
    await mesh.apply(rule({ loadBalancer: off, retryBudget: { percent: 0, minRetryConcurrency: 1 } }));
    expect(await statuses(30)).toEqual(new Set([200]));
    await mesh.delete('vs/echo');
    await mesh.delete('dr/echo');
    await stop('echo-1');
    await start('echo-1');
  });
});
