import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDirectoryStore, textHere, UNKNOWN_WORLD, type World } from '@weft/config';
import { silentLogger, systemClock } from '@weft/kit';
import { tempDir } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { createConfigSource } from './config-source.ts';

const receipts = {
  version: () => 1,
  receipt: () => Promise.resolve({ complete: true, version: 2, acknowledged: 0, waiting: [], refused: [] }),
};
const ratings = (weight: number): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ratings, namespace: default }
spec:
  hosts: [ratings]
  http:
    - route:
        - destination: { host: ratings }
          weight: ${weight}
`;
const REF = { group: 'networking.istio.io', kind: 'VirtualService', namespace: 'default', name: 'ratings' };

describe('the configuration behind the API', () => {
  it('refuses to change an object in a file with errors, naming the file and the mend', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'ratings.yaml');
    await writeFile(file, ratings(100));
    const store = await createDirectoryStore({ dir: dir.path, clock: systemClock, logger: silentLogger });
    const source = createConfigSource({
      store,
      configText: textHere(),
      diagnostics: () => [],
      foresee: () => [],
      world: () => UNKNOWN_WORLD,
      receipts,
    });
    try {
      const broken = `${ratings(100)}  nonsense: 1\n`;
      await writeFile(file, broken);
      await expect.poll(() => store.status().files.some(({ keptLastGood }) => keptLastGood)).toBe(true);
      const refused = {
        outcome: 'refused',
        diagnostics: [{ code: 'WEFT_CONFIG_FILE_BAD', file, hint: 'Mend the file or remove it, then try again.' }],
      };
      expect(await source.apply(ratings(50), { dryRun: false, waitMs: 0 })).toMatchObject(refused);
      expect(await source.delete(REF, { dryRun: false, waitMs: 0 })).toMatchObject(refused);
      expect(await readFile(file, 'utf8')).toBe(broken);
    } finally {
      await store.close();
    }
  });

  it('a write waits for its receipt unless told not to; what changed nothing asks about all proxies', async () => {
    await using dir = await tempDir();
    const store = await createDirectoryStore({ dir: dir.path, clock: systemClock, logger: silentLogger });
    const asked: number[] = [];
    const source = createConfigSource({
      store,
      configText: textHere(),
      diagnostics: () => [],
      foresee: () => [],
      world: () => UNKNOWN_WORLD,
      receipts: { ...receipts, receipt: (since) => (asked.push(since), receipts.receipt()) },
    });
    try {
      expect(await source.apply(ratings(100), { dryRun: true, waitMs: 50 })).not.toHaveProperty('result.receipt');
      expect(await source.apply(ratings(100), { dryRun: false, waitMs: 0 })).toMatchObject({ result: { since: 1 } });
      expect(asked).toEqual([]);
      expect(await source.apply(ratings(50), { dryRun: false, waitMs: 50 })).toMatchObject({
        result: { since: 1, receipt: { complete: true } },
      });
      await source.apply(ratings(50), { dryRun: false, waitMs: 50 });
      await source.delete(REF, { dryRun: false, waitMs: 50 });
      expect(asked).toEqual([1, 0, 1]);
    } finally {
      await store.close();
    }
  });

  it('a text that defines an object twice is refused, with both places', async () => {
    await using dir = await tempDir();
    const store = await createDirectoryStore({ dir: dir.path, clock: systemClock, logger: silentLogger });
    const world = (): World => UNKNOWN_WORLD;
    const given = { store, configText: textHere(), diagnostics: () => [], foresee: () => [], world, receipts };
    const source = createConfigSource(given);
    try {
      const twice = `${ratings(100)}---\n${ratings(50)}`;
      const finding = {
        code: 'W0009',
        severity: 'error',
        line: 11,
        message: expect.stringMatching(/line 1 of/) as string,
      };
      expect(await source.apply(twice, { dryRun: false, waitMs: 0 })).toMatchObject({
        outcome: 'refused',
        diagnostics: [finding],
      });
      expect(await source.validate(twice)).toMatchObject({ valid: false, diagnostics: [finding] });
      expect(store.list()).toEqual([]);
    } finally {
      await store.close();
    }
  });

  it('an object keeps the findings that it was applied with, until what they miss is there', async () => {
    await using dir = await tempDir();
    const store = await createDirectoryStore({ dir: dir.path, clock: systemClock, logger: silentLogger });
    const nothing: World = { services: [], workloads: [], complete: true };
    const hostname = 'ratings.default.svc.cluster.local';
    const something = { ...nothing, services: [{ hostname, ports: [{ number: 9080 }], workloads: [] }] };
    let world = nothing;
    const source = createConfigSource({
      store,
      configText: textHere(),
      diagnostics: () => [],
      foresee: () => [],
      world: () => world,
      receipts,
    });
    try {
      const applied = await source.apply(`# first line\n${ratings(100)}`, { dryRun: false, waitMs: 0 });
      const said = applied.outcome === 'done' ? applied.result.diagnostics.map(({ code, field }) => [code, field]) : [];
      expect(said).toContainEqual(['W0040', 'spec.http[0].route[0].destination.host']);
      const shown = await source.get(REF);
      expect(shown?.diagnostics.map(({ code, field }) => [code, field])).toEqual(said);
      expect(shown?.diagnostics[0]).toMatchObject({ file: expect.stringContaining(dir.path) as string, line: 2 });
      expect(source.list()).toMatchObject([{ validity: 'warning', findings: said.length }]);
      world = something;
      expect(source.list()).toMatchObject([{ validity: 'valid', findings: 0 }]);
      expect((await source.get(REF))?.diagnostics).toEqual([]);
      await source.apply(ratings(100).replace('{ host: ratings }', '{ host: ratngs }'), { dryRun: false, waitMs: 0 });
      expect(source.list()).toMatchObject([{ validity: 'warning' }]);
    } finally {
      await store.close();
    }
  });
});
