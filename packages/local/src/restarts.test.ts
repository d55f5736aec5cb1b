import { describe, expect, it } from 'vitest';
import { WeftError } from '@weft/kit';
import { createRemoteRestarts, type RestartLine } from './remote-restarts.ts';
import { createRestarts, parseRestart } from './restarts.ts';

const REQUEST = { drainMs: 5, wait: false };

describe('restarts', () => {
  it('go to who offered them, and say why there is nobody', async () => {
    const restarts = createRestarts((name) => name === 'envoy');
    const withdraw = restarts.offer('a', 'default', () => Promise.resolve({ pid: 2, formerPid: 1 }));
    expect(await restarts.restart('a', 'default', REQUEST)).toEqual({ pid: 2, formerPid: 1 });
    await expect(restarts.restart('a', 'other', REQUEST)).rejects.toThrow('no workload a in namespace other');
    await expect(restarts.restart('envoy', 'default', REQUEST)).rejects.toThrow("is not the mesh's own");
    withdraw();
    await expect(restarts.restart('a', 'default', REQUEST)).rejects.toThrow('no workload a');
  });

  it('keep the offer that came last', async () => {
    const restarts = createRestarts(() => false);
    const withdrawFirst = restarts.offer('a', 'default', () => Promise.resolve({ pid: 1 }));
    restarts.offer('a', 'default', () => Promise.resolve({ pid: 2 }));
    withdrawFirst();
    expect(await restarts.restart('a', 'default', REQUEST)).toEqual({ pid: 2 });
  });

  it.each([[undefined], [{}], [{ drainMs: -1 }], [{ drainMs: 1e12 }], [{ drainMs: 1, wait: 'yes' }]])(
    'refuse %j',
    (body) => expect(() => parseRestart(body)).toThrow('a restart needs drainMs'),
  );
});

describe('restarts in another process', () => {
  it('are answered by number, with a result or an error, and end with the process', async () => {
    const remote = createRemoteRestarts();
    const asked: RestartLine[] = [];
    const ask = () => remote.ask((line) => void asked.push(line), REQUEST);
    const [first, second, third] = [ask(), ask(), ask()];
    expect(asked.map(({ restart }) => restart.id)).toEqual([1, 2, 3]);
    remote.answer({ id: 2, error: { code: 'WEFT_RESTART_FAILED', message: 'no', fix: 'wait' } });
    remote.answer({ id: 1, result: { pid: 7 } });
    remote.answer({ id: 9, result: {} });
    expect(await first).toEqual({ pid: 7 });
    await expect(second).rejects.toEqual(new WeftError('WEFT_RESTART_FAILED', 'no', { fix: 'wait' }));
    remote.close();
    await expect(third).rejects.toThrow('the workload ended meanwhile');
  });
});
