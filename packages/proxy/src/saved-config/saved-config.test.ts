import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { ClusterSchema } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import { silentLogger, type Logger } from '@weft/kit';
import { FakeClock, tempDir, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { changeBook, EMPTY_BOOK, type ResourceBook } from '../discovery/resource-book.ts';
import { createSavedConfig } from './saved-config.ts';

const bookOf = (...names: string[]): ResourceBook =>
  changeBook(EMPTY_BOOK, {
    type: 'cluster',
    taken: names.map((name) => ({
      name,
      version: `v-${name}`,
      bytes: Buffer.from(`bytes of ${name}`),
      message: create(ClusterSchema, { name }),
      updatedAt: 1,
    })),
    removed: [],
    refused: [],
  });
const listenTo = () => {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(String(fields['error'])) };
  return { logger, warnings };
};

describe('saved configuration', () => {
  it('comes back as it was, with its time', async () => {
    await using dir = await tempDir();
    const clock = new FakeClock(5_000);
    const deps = { dir: join(dir.path, 'new', 'node'), nodeId: 'n', clock, logger: silentLogger };
    const saved = createSavedConfig(deps);
    saved.save(bookOf('a'));
    saved.save(bookOf('a', 'b'));
    clock.advance(200);
    await waitFor(async () => (await readFile(join(deps.dir, 'last-good.xds'))).length > 0);
    await saved.flush();
    const read = await createSavedConfig(deps).load();
    expect(read.savedAt).toBe(5_200);
    expect(
      read.resources.cluster.map(({ name, version, bytes }) => [name, version, Buffer.from(bytes).toString()]),
    ).toEqual([
      ['a', 'v-a', 'bytes of a'],
      ['b', 'v-b', 'bytes of b'],
    ]);
    expect(read.resources.listener).toEqual([]);
  });
  it('is written now and then while it changes all the time', async () => {
    await using dir = await tempDir();
    const clock = new FakeClock();
    const deps = { dir: dir.path, nodeId: 'n', clock, logger: silentLogger };
    const saved = createSavedConfig(deps);
    const times = new Set<number | undefined>();
    for (let ms = 0; ms < 6_000; ms += 50) {
      saved.save(bookOf(`at ${ms}`));
      clock.advance(50);
      await waitFor(async () => {
        const { savedAt } = await createSavedConfig(deps).load();
        times.add(savedAt);
        return savedAt === undefined || ms < 300 || savedAt >= ms - 2_100;
      });
    }
    expect([...times].filter((time) => time !== undefined).length).toBeLessThanOrEqual(4);
    await saved.flush();
    expect((await createSavedConfig(deps).load()).resources.cluster[0]?.name).toBe('at 5950');
  });
  it('is written at the end, when its time has not come', async () => {
    await using dir = await tempDir();
    const deps = { dir: dir.path, nodeId: 'n', clock: new FakeClock(), logger: silentLogger };
    const saved = createSavedConfig(deps);
    saved.save(bookOf('late'));
    await saved.flush();
    expect((await createSavedConfig(deps).load()).resources.cluster).toHaveLength(1);
  });
  it.each<[string, (file: Buffer) => Buffer, string]>([
    ['cut', (file) => file.subarray(0, -3), 'its checksum is wrong'],
    [
      'changed',
      (file) => Buffer.concat([file.subarray(0, 50), Buffer.of((file[50] ?? 0) ^ 1), file.subarray(51)]),
      'its checksum is wrong',
    ],
    ['empty', () => Buffer.alloc(0), 'its checksum is wrong'],
  ])('a %s file is as good as none', async (_, damage, reason) => {
    await using dir = await tempDir();
    const { logger, warnings } = listenTo();
    const deps = { dir: dir.path, nodeId: 'n', clock: new FakeClock(), logger };
    const saved = createSavedConfig(deps);
    saved.save(bookOf('a'));
    await saved.flush();
    const path = join(dir.path, 'last-good.xds');
    await writeFile(path, damage(await readFile(path)));
    expect(await saved.load()).toMatchObject({ savedAt: undefined, resources: { cluster: [] } });
    expect(warnings).toEqual([reason]);
  });
  it('what another node saved is not used', async () => {
    await using dir = await tempDir();
    const { logger, warnings } = listenTo();
    const other = createSavedConfig({ dir: dir.path, nodeId: 'other', clock: new FakeClock(), logger });
    other.save(bookOf('a'));
    await other.flush();
    expect(
      (await createSavedConfig({ dir: dir.path, nodeId: 'n', clock: new FakeClock(), logger }).load()).savedAt,
    ).toBeUndefined();
    expect(warnings).toEqual(['it is of node other']);
  });
  it('a folder that can not be written is said, and nothing else happens', async () => {
    await using dir = await tempDir();
    await writeFile(join(dir.path, 'file'), '');
    const { logger, warnings } = listenTo();
    const saved = createSavedConfig({
      dir: join(dir.path, 'file', 'none'),
      nodeId: 'n',
      clock: new FakeClock(),
      logger,
    });
    saved.save(bookOf('a'));
    await saved.flush();
    expect(warnings).toHaveLength(1);
  });
  it('is nothing without a folder', async () => {
    const saved = createSavedConfig({ dir: undefined, nodeId: 'n', clock: new FakeClock(), logger: silentLogger });
    saved.save(bookOf('a'));
    await saved.flush();
    expect((await saved.load()).savedAt).toBeUndefined();
  });
});
