import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isError } from '../../problems.ts';
import { parseConfig } from '../../parse-config.ts';
import type { ConfigEvent } from '../config-store.ts';
import { seededRandom, silentLogger, systemClock } from '@weft/kit';
import type { ConfigObject } from '@weft/contracts/config';
import { tempDir, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { createDirectoryStore, type DirectoryStore } from './directory-store.ts';

const service = (name: string, port = 9080): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{name: http, port: ${port}}]}\n`;

const BAD = service('reviews').replace('ports', 'portz');

async function open(dir: string): Promise<DirectoryStore & AsyncDisposable> {
  // Rescans by the clock are kept away, so that a change is seen by events alone.
  const store = await createDirectoryStore({
    dir,
    clock: systemClock,
    logger: silentLogger,
    timing: { rescanMs: 3_600_000, absentMs: 100 },
  });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

const names = (store: DirectoryStore): string[] =>
  store
    .list('Service')
    .map(({ metadata }) => metadata.name)
    .toSorted();
const port = (store: DirectoryStore, name: string) => store.get('Service', 'default', name)?.spec.ports?.[0]?.port;

describe('SD-01 directory store', () => {
  it('reads the directory before it is ready, below folders too, and nothing that is no configuration', async () => {
    await using dir = await tempDir();
    await mkdir(join(dir.path, 'team/a'), { recursive: true });
    await mkdir(join(dir.path, '.git'));
    await writeFile(join(dir.path, 'team/a/one.yaml'), service('one'));
    await writeFile(
      join(dir.path, 'two.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'two' }, spec: { ports: [{ port: 1 }] } }),
    );
    for (const ignored of [
      '.one.yaml.swp',
      'one.yaml~',
      '#one.yaml#',
      '.#one.yaml',
      'notes.txt',
      '.git/x.yaml',
      '4913',
    ]) {
      await writeFile(join(dir.path, ignored), service('ignored'));
    }
    await using store = await open(dir.path);
    expect(names(store)).toEqual(['one', 'two']);
    expect(store.status()).toMatchObject({ ready: true, objects: 2, problems: [] });
  });

  it('sees a file written, replaced by rename, added in a new folder, and removed', async () => {
    await using dir = await tempDir();
    await using store = await open(dir.path);
    const events: ConfigEvent[] = [];
    store.subscribe((event) => events.push(event));
    const file = join(dir.path, 'reviews.yaml');

    await writeFile(file, service('reviews', 1));
    await waitFor(() => port(store, 'reviews') === 1);
    await writeFile(join(dir.path, '.reviews.yaml.tmp'), service('reviews', 2));
    await rename(join(dir.path, '.reviews.yaml.tmp'), file);
    await waitFor(() => port(store, 'reviews') === 2);
    await mkdir(join(dir.path, 'later'));
    await writeFile(join(dir.path, 'later/ratings.yaml'), service('ratings'));
    await waitFor(() => names(store).includes('ratings'));
    await rm(file);
    await waitFor(() => !names(store).includes('reviews'));

    expect(
      events.map(({ changes }) => changes.map((change) => `${change.type} ${change.object.metadata.name}`).join()),
    ).toEqual(['added reviews', 'updated reviews', 'added ratings', 'deleted reviews']);
    expect(events.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
  });

  it('keeps the last good objects of a bad file, says where it is wrong, and recovers', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'reviews.yaml');
    await writeFile(file, `${service('reviews', 1)}---\n${service('other')}`);
    await using store = await open(dir.path);

    await writeFile(file, `${BAD}---\n${service('other', 7)}`);
    await waitFor(() => store.status().problems.some(isError));
    expect(port(store, 'reviews')).toBe(1);
    expect(port(store, 'other')).toBe(9080);
    const [status] = store.status().files;
    expect(status).toMatchObject({ file, objects: 2, keptLastGood: true });
    expect(status?.problems[0]).toMatchObject({
      file,
      line: 4,
      column: 8,
      path: 'spec.portz',
      fix: 'Did you mean ports?',
    });

    await writeFile(file, service('reviews', 3));
    await waitFor(() => port(store, 'reviews') === 3);
    expect(store.status().problems).toEqual([]);
    expect(names(store)).toEqual(['reviews']);
  });

  it('keeps the last good objects also when it is started again while the file is bad', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'reviews.yaml');
    await writeFile(file, service('reviews', 5));
    await (await open(dir.path)).close();
    await writeFile(file, '{{{ not yaml');
    await using store = await open(dir.path);
    expect(port(store, 'reviews')).toBe(5);
    expect(store.status().files[0]).toMatchObject({ keptLastGood: true });
  });

  it('serves what is good of a file that was never good', async () => {
    await using dir = await tempDir();
    await writeFile(join(dir.path, 'x.yaml'), `${BAD}---\n${service('other')}`);
    await using store = await open(dir.path);
    expect(names(store)).toEqual(['other']);
    expect(store.status().problems).toHaveLength(1);
  });

  it('does not drop the objects of a file that is emptied and then written, as some editors do', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'reviews.yaml');
    await writeFile(file, service('reviews', 1));
    await using store = await open(dir.path);
    const events: ConfigEvent[] = [];
    store.subscribe((event) => events.push(event));
    await writeFile(file, '');
    await store.rescan();
    await writeFile(file, service('reviews', 2));
    await waitFor(() => port(store, 'reviews') === 2);
    expect(events.flatMap(({ changes }) => changes.map(({ type }) => type))).toEqual(['updated']);
    await writeFile(file, '');
    await waitFor(() => names(store).length === 0);
  });

  it('reports an object in two files at both, and keeps the one that was there', async () => {
    await using dir = await tempDir();
    await writeFile(join(dir.path, 'b.yaml'), service('reviews', 1));
    await using store = await open(dir.path);
    await writeFile(join(dir.path, 'a.yaml'), service('reviews', 2));
    await waitFor(() => store.status().problems.length > 0);
    const [problem] = store.status().problems;
    expect(problem).toMatchObject({ code: 'W0009', severity: 'error', file: join(dir.path, 'a.yaml') });
    expect(problem?.message).toContain(join(dir.path, 'b.yaml'));
    expect(port(store, 'reviews')).toBe(1);
    await rm(join(dir.path, 'b.yaml'));
    await waitFor(() => port(store, 'reviews') === 2);
    expect(store.status().problems).toEqual([]);
  });

  it('does not lose everything when the directory vanishes', async () => {
    await using dir = await tempDir();
    const inner = join(dir.path, 'config');
    await mkdir(inner);
    await writeFile(join(inner, 'a.yaml'), service('reviews'));
    await using store = await open(inner);
    await rename(inner, join(dir.path, 'gone'));
    await store.rescan();
    expect(names(store)).toEqual(['reviews']);
    expect(store.status().problems[0]).toMatchObject({ code: 'W0050' });
    await rename(join(dir.path, 'gone'), inner);
    await store.rescan();
    expect(store.status().problems).toEqual([]);
  });
});

describe('bursts', () => {
  it('end with what the files say, and the events add up to it', async () => {
    await using dir = await tempDir();
    await using store = await open(dir.path);
    const seen = new Map<string, number | undefined>();
    store.subscribe(({ changes }) => {
      for (const { type, object } of changes) {
        if (object.kind !== 'Service') continue;
        if (type === 'deleted') seen.delete(object.metadata.name);
        else seen.set(object.metadata.name, (object as ConfigObject<'Service'>).spec.ports?.[0]?.port);
      }
    });
    const random = seededRandom(7);
    const truth = new Map<string, number>();
    for (let step = 1; step <= 300; step += 1) {
      const name = `s${random.int(12)}`;
      const folder = join(dir.path, `f${random.int(3)}`);
      await mkdir(folder, { recursive: true });
      const elsewhere = ['f0', 'f1', 'f2'].map((one) => join(dir.path, one, `${name}.yaml`));
      for (const path of elsewhere) await rm(path, { force: true });
      truth.delete(name);
      if (random.int(4) === 0) continue;
      const path = join(folder, `${name}.yaml`);
      if (random.int(2) === 0) await writeFile(path, service(name, step));
      else {
        await writeFile(`${path}.new`, service(name, step));
        await rename(`${path}.new`, path);
      }
      truth.set(name, step);
      if (random.int(20) === 0) await new Promise((done) => setTimeout(done, 60));
    }
    const sorted = (map: ReadonlyMap<string, number | undefined>) => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
    await waitFor(() => JSON.stringify(sorted(seen)) === JSON.stringify(sorted(truth)), { what: 'events add up' });
    expect(names(store)).toEqual([...truth.keys()].toSorted());
    // A file that went away a moment ago may still be held beside the one that took its place.
    await waitFor(() => store.status().problems.length === 0, { what: 'nothing to be said' });
  });
});

describe('apply and delete', () => {
  const parsed = (text: string) => parseConfig(text, '-').objects;

  it('writes one file per object with its comments, readable by the owner only, and shows it at once', async () => {
    await using dir = await tempDir();
    await using store = await open(dir.path);
    const events: ConfigEvent[] = [];
    store.subscribe((event) => events.push(event));
    const results = await store.apply(parsed(`# why\n${service('reviews', 1)}---\n${service('ratings')}`));
    expect(results.map(({ outcome }) => outcome)).toEqual(['created', 'created']);
    expect(names(store)).toEqual(['ratings', 'reviews']);
    expect(events).toHaveLength(1);
    const file = join(dir.path, 'applied/service.default.reviews.yaml');
    const text = await readFile(file, 'utf8');
    expect(text).toContain('# why');
    expect(text).toContain('namespace: default');
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    expect((await store.apply(parsed(service('reviews', 1))))[0]).toMatchObject({ outcome: 'unchanged', file });
    expect((await store.apply(parsed(service('reviews', 2))))[0]).toMatchObject({ outcome: 'configured', file });
    expect(port(store, 'reviews')).toBe(2);
    expect(store.get('Service', 'default', 'reviews')?.metadata.generation).toBe(2);
  });

  it('changes an object in the user’s own file and leaves the rest of the file as it was', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'mine.yaml');
    await writeFile(
      file,
      `# first\n${service('one')}---\n# second\n${service('two')}---\n# third\n${service('three')}`,
    );
    await using store = await open(dir.path);
    await store.apply([...parsed(service('two', 2)), ...parsed(service('three', 3)), ...parsed(service('one', 1))]);
    const text = await readFile(file, 'utf8');
    for (const comment of ['# first', '# second', '# third']) expect(text).toContain(comment);
    expect([port(store, 'one'), port(store, 'two'), port(store, 'three')]).toEqual([1, 2, 3]);
    expect(parseConfig(text, file).problems).toEqual([]);
    expect(parseConfig(text, file).objects.map(({ object }) => object.metadata.name)).toEqual(['one', 'two', 'three']);

    expect(await store.delete({ kind: 'Service', namespace: 'default', name: 'two' })).toBe(true);
    expect(await store.delete({ kind: 'Service', namespace: 'default', name: 'two' })).toBe(false);
    expect(names(store)).toEqual(['one', 'three']);
    await store.delete({ kind: 'Service', namespace: 'default', name: 'one' });
    await store.delete({ kind: 'Service', namespace: 'default', name: 'three' });
    expect(names(store)).toEqual([]);
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  it('refuses to edit a file with errors, and an item of a List', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'mine.yaml');
    await writeFile(file, service('one'));
    await writeFile(
      join(dir.path, 'list.yaml'),
      `apiVersion: v1\nkind: List\nitems:\n- ${service('two').trimEnd().replaceAll('\n', '\n  ')}\n`,
    );
    await using store = await open(dir.path);
    expect(names(store)).toEqual(['one', 'two']);
    await writeFile(file, BAD);
    await expect(store.apply(parsed(service('one', 2)))).rejects.toMatchObject({
      code: 'WEFT_CONFIG_FILE_BAD',
      where: file,
    });
    await expect(store.delete({ kind: 'Service', namespace: 'default', name: 'two' })).rejects.toMatchObject({
      code: 'WEFT_CONFIG_IN_LIST',
    });
    expect(names(store)).toEqual(['one', 'two']);
  });

  it('keeps ages, generations and uids over a restart', async () => {
    await using dir = await tempDir();
    const first = await open(dir.path);
    await first.apply(parsed(service('old')));
    await new Promise((done) => setTimeout(done, 5));
    await first.apply(parsed(service('a-young')));
    await first.apply(parsed(service('old', 2)));
    const before = first.list().map(({ metadata }) => metadata);
    await first.close();
    await using second = await open(dir.path);
    const after = second.list().map(({ metadata }) => metadata);
    expect(after.map(({ name }) => name)).toEqual(['old', 'a-young']);
    expect(after.map(({ uid, creationTimestamp, generation }) => ({ uid, creationTimestamp, generation }))).toEqual(
      before.map(({ uid, creationTimestamp, generation }) => ({ uid, creationTimestamp, generation })),
    );
    expect(Number(after[0]?.resourceVersion)).toBeGreaterThan(Number(before[0]?.resourceVersion));
  });

  it('tells where a field of an object was written', async () => {
    await using dir = await tempDir();
    await using store = await open(dir.path);
    await writeFile(join(dir.path, 'x.yaml'), service('one'));
    await store.rescan();
    const ref = { kind: 'Service', namespace: 'default', name: 'one' } as const;
    expect(store.locate(ref, ['spec', 'ports', 0, 'port'])).toEqual({
      file: join(dir.path, 'x.yaml'),
      line: 4,
      column: 35,
    });
  });
});
