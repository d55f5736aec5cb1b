import { FakeClock } from '@weft/testkit';
import { createLogger } from '@weft/kit';
import type { Cluster } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import { describe, expect, it } from 'vitest';
import type { RejectedResource, ResourceSet } from '../ports.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { createSecretStore } from '../secrets/secret-store.ts';
import type { FromWorker, ToWorker, WorkerUpdate } from './messages.ts';
import { createWorkerDataPath } from './worker-data-path.ts';

const NONE: ResourceSet = { listeners: new Map(), routes: new Map(), clusters: new Map(), endpoints: new Map() };

/** Two threads that answer when the test says so. */
function setUp() {
  const said: { worker: number; message: ToWorker }[] = [];
  /** What each does when an update is waited for. */
  const answers = new Map<number, readonly RejectedResource[]>();
  let tell: (worker: number, message: FromWorker) => void = () => {};
  let waited = 0;
  let failed = 0;
  const clusters = new Map<string, Cluster>();
  const path = createWorkerDataPath({
    startThreads: ({ onMessage }) => {
      tell = onMessage;
      return {
        count: 2,
        alive: () => [0, 1],
        post: (worker, message) => said.push({ worker, message }),
        postAll: (message) => [0, 1].forEach((worker) => said.push({ worker, message })),
        awaitUpdate(version) {
          waited += 1;
          for (const [worker, refused] of answers) onMessage(worker, { type: 'updated', version, refused });
          return answers.size === 2;
        },
        close: () => Promise.resolve(),
      };
    },
    sockets: {
      workers: 2,
      inherited: new Map(),
      calls: { open: () => 9, duplicate: () => 10, close: () => {} },
    },
    runtime: { compile: () => ({ listeners: new Map(), rejected: [] }) } as unknown as Runtime,
    secrets: createSecretStore(),
    held: false,
    onLines: () => {},
    onEntries: () => {},
    onGone: () => {},
    onFailed: () => (failed += 1),
    clock: new FakeClock(),
    logger: createLogger({ name: 'test', level: 'silent' }),
  });
  const updates = (worker: number): WorkerUpdate[] =>
    said.flatMap(({ worker: to, message }) => (to === worker && message.type === 'update' ? message : []));
  return {
    path,
    answers,
    updates,
    tell: (worker: number, message: FromWorker) => tell(worker, message),
    waited: () => waited,
    failed: () => failed,
    /** Each as a new message. */
    update(contents: Readonly<Record<string, string>>) {
      for (const name of clusters.keys()) if (!(name in contents)) clusters.delete(name);
      for (const name of Object.keys(contents)) clusters.set(name, { name } as Cluster);
      return path.update({ ...NONE, clusters: new Map(clusters) }, (_, name) => Buffer.from(contents[name] ?? ''));
    },
  };
}
const textsOf = ({ changed, removed }: WorkerUpdate): string[] => [
  ...changed.map(({ name, bytes }) => `${name}=${Buffer.from(bytes).toString()}`),
  ...removed.map(({ name }) => `-${name}`),
];

describe('an update', () => {
  it('is waited for once all workers are up, so that what was taken is in force in all', () => {
    const { update, tell, answers, waited, updates } = setUp();
    expect(update({ a: '1' })).toEqual([]);
    expect(waited()).toBe(0);
    tell(0, { type: 'updated', version: 1, refused: [] });
    update({ a: '2' });
    expect(waited()).toBe(0);
    tell(1, { type: 'updated', version: 2, refused: [] });
    answers.set(0, []).set(1, []);
    expect(update({ a: '3' })).toEqual([]);
    expect(waited()).toBe(1);
    expect([updates(0).flatMap(textsOf), updates(1).map(({ version }) => version)]).toEqual([
      ['a=1', 'a=2', 'a=3'],
      [1, 2, 3],
    ]);
  });

  it('that one worker refuses is refused, and taken back in the other', () => {
    const { update, tell, answers, updates } = setUp();
    update({ a: '1' });
    for (const worker of [0, 1]) tell(worker, { type: 'updated', version: 1, refused: [] });
    const refusal = (name: string): RejectedResource => ({ type: 'cluster', name, reason: 'not here' });
    answers.set(0, []).set(1, [refusal('a'), refusal('b')]);
    expect(update({ a: '2', b: '1' })).toEqual([refusal('a'), refusal('b')]);
    for (const worker of [0, 1]) expect(updates(worker).map(textsOf)).toEqual([['a=1'], ['a=2', 'b=1'], ['a=1', '-b']]);
    // Offered again, it is tried again.
    answers.set(1, []);
    expect(update({ a: '2', b: '1' })).toEqual([]);
    expect(updates(1).map(textsOf).at(-1)).toEqual(['a=2', 'b=1']);
  });

  it('that a worker refuses later is taken back as well', () => {
    const { update, tell, answers, updates } = setUp();
    update({ a: '1' });
    for (const worker of [0, 1]) tell(worker, { type: 'updated', version: 1, refused: [] });
    answers.set(0, []);
    expect(update({ a: '2' })).toEqual([]);
    tell(1, { type: 'updated', version: 2, refused: [{ type: 'cluster', name: 'a', reason: 'not here' }] });
    expect(updates(0).map(textsOf).at(-1)).toEqual(['a=1']);
  });
});

describe('a worker that fails', () => {
  it('ends the process, though its thread goes on', () => {
    const { tell, failed } = setUp();
    tell(1, { type: 'failed' });
    expect(failed()).toBe(1);
  });
});
