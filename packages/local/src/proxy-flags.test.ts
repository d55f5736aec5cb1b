import type { ProxySettings } from '@weft/contracts';
import { createLogger } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import { createProxyFlags, threadsOf } from './proxy-flags.ts';
import type { RestartRequest, RestartResult } from './restarts.ts';

const workload = (name: string, namespace = 'default', ownSidecar = false) => ({
  name,
  namespace,
  labels: { app: name, version: 'v1' },
  ownSidecar,
});
const rule = (namespace: string, concurrency: number, matchLabels?: Record<string, string>) => ({
  namespace,
  concurrency,
  ...(matchLabels === undefined ? {} : { matchLabels }),
});
const ROOT = 'istio-system';

describe('threads of a proxy', () => {
  it.each<[what: string, settings: Partial<ProxySettings>, threads: number | undefined]>([
    ['nothing', {}, undefined],
    ['the mesh', { concurrency: 3 }, 3],
    ['the root namespace', { concurrency: 3, proxies: [rule(ROOT, 4)] }, 4],
    ['a namespace', { proxies: [rule(ROOT, 4), rule('default', 5)] }, 5],
    ['its labels', { proxies: [rule(ROOT, 4), rule('default', 5), rule('default', 0, { app: 'a' })] }, 0],
    ['labels of another', { concurrency: 3, proxies: [rule('default', 0, { app: 'b' })] }, 3],
    ['labels, some of another', { proxies: [rule('default', 7, { app: 'a', version: 'v2' })] }, undefined],
    ['another namespace', { proxies: [rule('other', 7), rule('other', 7, { app: 'a' })] }, undefined],
    // As in Istio, a selector is of its namespace alone.
    ['labels in the root namespace', { proxies: [rule(ROOT, 7, { app: 'a' })] }, undefined],
    ['the older of two', { proxies: [rule('default', 2, { app: 'a' }), rule('default', 3, { app: 'a' })] }, 2],
  ])('are what is said by %s', (_, settings, threads) =>
    expect(threadsOf({ rootNamespace: ROOT, proxies: [], ...settings }, workload('a'))).toBe(threads),
  );
});

function setUp(answer: () => Promise<RestartResult> = () => Promise.resolve({})) {
  const asked: string[] = [];
  const flags = createProxyFlags({
    common: ['--max-connections=5', '--concurrency=1'],
    mostThreads: 4,
    restart: (name: string, namespace: string, { proxyFlags = [] }: RestartRequest) => {
      asked.push(`${namespace}/${name} ${proxyFlags.slice(2).join()}`);
      return answer();
    },
    logger: createLogger({ name: 'test', level: 'silent' }),
  });
  const change = async (settings: Partial<ProxySettings>): Promise<string[]> => {
    flags.change({ rootNamespace: ROOT, proxies: [], ...settings });
    await flags.settled();
    return asked.splice(0);
  };
  return { flags, change, asked };
}

describe('a change of threads', () => {
  it('replaces those that have others, one by one, and nobody else', async () => {
    const { flags, change } = setUp();
    await change({ proxies: [rule('default', 2, { app: 'a' })] });
    expect(flags.of(workload('a'))).toEqual(['--max-connections=5', '--concurrency=1', '--concurrency=2']);
    expect(flags.of(workload('b'))).toEqual(['--max-connections=5', '--concurrency=1']);
    flags.of(workload('own', 'default', true));
    expect(await change({ proxies: [rule('default', 2, { app: 'a' })] })).toEqual([]);
    // Not more than a proxy would take.
    expect(await change({ concurrency: 9 })).toEqual(['default/a --concurrency=4', 'default/b --concurrency=4']);
    flags.left('b', 'default');
    expect(await change({})).toEqual(['default/a ']);
  });

  it('that could not be made good is made good by a restart', async () => {
    let works = false;
    const { flags, change, asked } = setUp(() =>
      works ? Promise.resolve({ pid: 7 }) : Promise.reject(new Error('it did not become ready')),
    );
    flags.of(workload('a'));
    expect(await change({ concurrency: 2 })).toEqual(['default/a --concurrency=2']);
    works = true;
    expect(await flags.restart('a', 'default', { drainMs: 1, wait: false })).toEqual({ pid: 7 });
    expect(asked.splice(0)).toEqual(['default/a --concurrency=2']);
    expect(await change({ concurrency: 2 })).toEqual([]);
    await flags.restart('nobody', 'default', { drainMs: 1, wait: false });
    expect(asked).toEqual(['default/nobody ']);
  });

  it('that comes while a workload joins is made good when it can be', async () => {
    let ready = false;
    const { flags, change, asked } = setUp(() => (ready ? Promise.resolve({}) : Promise.reject(new Error('not yet'))));
    flags.of(workload('a'));
    expect(await change({ concurrency: 2 })).toEqual(['default/a --concurrency=2']);
    ready = true;
    flags.offered('a', 'default');
    await flags.settled();
    expect(asked.splice(0)).toEqual(['default/a --concurrency=2']);
    flags.offered('a', 'default');
    flags.offered('nobody', 'default');
    await flags.settled();
    expect(asked).toEqual([]);
  });
});
