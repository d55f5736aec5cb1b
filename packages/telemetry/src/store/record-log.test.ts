import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@weft/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listSegments, openRecordLog, readSegment } from './record-log.ts';

const text = (payload: Uint8Array): string => Buffer.from(payload).toString();
const readAll = (dir: string): string[] =>
  listSegments(dir, 'a').flatMap((segment) => readSegment(dir, 'a', segment).records.map(text));

describe('the record log', () => {
  it('gives back what was appended, over any number of openings and rotations', async () => {
    await using dir = await tempDir();
    let run = 0;
    const step = fc.oneof(fc.string({ maxLength: 40 }), fc.constant('\0open'), fc.constant('\0rotate'));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        run += 1;
        const options = { dir: join(dir.path, String(run)), name: 'a', segmentBytes: 100, maxBytes: undefined };
        let log = openRecordLog(options);
        for (const item of steps) {
          if (item === '\0open') {
            log.close();
            log = openRecordLog(options);
          } else if (item === '\0rotate') log.rotate();
          else log.append(Buffer.from(item));
        }
        log.close();
        expect(readAll(options.dir)).toEqual(steps.filter((item) => !item.startsWith('\0')));
      }),
    );
  });

  it('stays within its bytes, whatever the number of openings', async () => {
    await using dir = await tempDir();
    for (let i = 0; i < 50; i += 1) {
      const log = openRecordLog({ dir: dir.path, name: 'a', segmentBytes: 100, maxBytes: 500 });
      for (let j = 0; j < 3; j += 1) log.append(Buffer.from(`record ${i} ${j} ${'x'.repeat(20)}`));
      expect(log.bytes()).toBeLessThan(700);
      log.close();
    }
    const kept = readAll(dir.path);
    expect(kept.at(-1)).toMatch(/^record 49 2/);
    expect(kept.length).toBeGreaterThan(8);
  });

  it('makes no file for nothing', async () => {
    await using dir = await tempDir();
    const log = openRecordLog({ dir: dir.path, name: 'a', segmentBytes: 100, maxBytes: 500 });
    log.rotate();
    log.close();
    expect(readdirSync(dir.path)).toEqual([]);
  });

  it('never writes behind a torn record', async () => {
    await using dir = await tempDir();
    const options = { dir: dir.path, name: 'a', segmentBytes: 1000, maxBytes: undefined };
    const first = openRecordLog(options);
    first.append(Buffer.from('whole'));
    first.close();
    appendFileSync(join(dir.path, 'a-00000001.log'), Uint8Array.of(9, 0, 0, 0));
    expect(readSegment(dir.path, 'a', 1)).toMatchObject({ damaged: true, records: [{}] });
    const second = openRecordLog(options);
    second.append(Buffer.from('after'));
    second.close();
    expect(readAll(dir.path)).toEqual(['whole', 'after']);
  });
});
