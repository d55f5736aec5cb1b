import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FieldsHead } from '../../../head/fields-head.ts';
import type { UpstreamStream } from '../../../http/streams.ts';
import { BufferPool } from '../../../sockets/buffer-pool.ts';
import { KeptBody } from './kept-body.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What an attempt gets, copied as a connection copies it. */
function attempt() {
  const parts: Buffer[] = [];
  const said: string[] = [];
  const stream = {
    sendData: (buffer: Buffer, start: number, end: number, last: boolean) => {
      parts.push(Buffer.from(buffer.subarray(start, end)));
      if (last) said.push('end');
    },
    sendTrailers: (trailers: FieldsHead) => said.push(`trailers ${trailers.get('x')}`),
  } as unknown as UpstreamStream;
  return { stream, said, body: () => Buffer.concat(parts) };
}

function countingPool() {
  const pool = new BufferPool();
  const counts = { taken: 0, given: 0 };
  const take = pool.take.bind(pool);
  const giveBack = pool.giveBack.bind(pool);
  pool.take = (bytes) => {
    counts.taken += 1;
    return take(bytes);
  };
  pool.giveBack = (buffer) => {
    counts.given += 1;
    giveBack(buffer);
  };
  return { pool, counts };
}

describe('a body kept for another attempt', () => {
  it('is sent again byte for byte, however it came and as often as it is wanted', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 12 }), (sizes) => {
        const kept = new KeptBody(4 * 1024 * 1024, new BufferPool());
        // One buffer for all reads, as sockets have it.
        const shared = Buffer.alloc(90_007);
        const all: Buffer[] = [];
        sizes.forEach((size, round) => {
          for (let i = 0; i < size; i += 1) shared[7 + i] = (i * 31 + round) % 256;
          kept.keep(shared, 7, 7 + size);
          all.push(Buffer.from(shared.subarray(7, 7 + size)));
        });
        shared.fill(0xee);
        for (let time = 0; time < 2; time += 1) {
          const { stream, said, body } = attempt();
          kept.replay(stream, true);
          expect(body().equals(Buffer.concat(all))).toBe(true);
          expect(said).toEqual(['end']);
        }
        expect(kept.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
      }),
      { numRuns: 40 },
    );
  });

  it('has no end before the request has, and trailers in its place', () => {
    const kept = new KeptBody(100, new BufferPool());
    kept.keep(Buffer.from('abc'), 0, 3);
    const early = attempt();
    kept.replay(early.stream, false);
    expect([early.body().toString(), early.said]).toEqual(['abc', []]);
    const trailers = FieldsHead.response(200);
    trailers.add('x', 'y');
    kept.keepTrailers(trailers);
    const late = attempt();
    kept.replay(late.stream, true);
    expect([late.body().toString(), late.said]).toEqual(['abc', ['trailers y']]);
  });

  it('is given up past its limit, with all its memory', () => {
    const { pool, counts } = countingPool();
    const kept = new KeptBody(100_000, pool);
    const piece = Buffer.alloc(50_000, 'x');
    kept.keep(piece, 0, 50_000);
    kept.keep(piece, 0, 50_000);
    expect([kept.complete, kept.bytes]).toEqual([true, 100_000]);
    kept.keep(piece, 0, 1);
    expect([kept.complete, kept.bytes]).toEqual([false, 0]);
    expect(counts.given).toBe(counts.taken);
    kept.keep(piece, 0, 10);
    expect(counts.given).toBe(counts.taken);
  });

  it('leaves its chunks to the next one', async () => {
    const { pool } = countingPool();
    const piece = Buffer.alloc(64 * 1024, 'x');
    const chunksOf = (kept: KeptBody): Buffer[] => {
      const chunks: Buffer[] = [];
      const stream = { sendData: (chunk: Buffer) => chunks.push(chunk) } as unknown as UpstreamStream;
      kept.replay(stream, false);
      return chunks;
    };
    const first = new KeptBody(1024 * 1024, pool);
    for (let i = 0; i < 4; i += 1) first.keep(piece, 0, piece.length);
    const used = chunksOf(first);
    first.release();
    await nextTurn();
    const second = new KeptBody(1024 * 1024, pool);
    for (let i = 0; i < 4; i += 1) second.keep(piece, 0, piece.length);
    expect(chunksOf(second).every((chunk) => used.includes(chunk))).toBe(true);
  });

  it('takes little memory while it is little', () => {
    const { pool, counts } = countingPool();
    const kept = new KeptBody(1024 * 1024, pool);
    const piece = Buffer.alloc(256, 'x');
    for (let i = 0; i < 400; i += 1) kept.keep(piece, 0, piece.length);
    // Chunks grow with what is kept, so that neither their number nor what is unused of them is large.
    expect(counts.taken).toBeLessThan(12);
  });
});
