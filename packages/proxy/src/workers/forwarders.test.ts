import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { RequestRecord } from '../request-record.ts';
import { forwardLines, forwardReports } from './forwarders.ts';
import type { FromWorker } from './messages.ts';

describe('lines of access logs', () => {
  it('go to the main thread in batches, whole, and not beyond what it can take', async () => {
    const clock = new FakeClock();
    const sent: FromWorker[] = [];
    const logged = new Int32Array(2);
    const writer = forwardLines('/x', { send: (message) => sent.push(message), clock, logged });
    writer.write('a\n');
    writer.write('b\n');
    expect(sent).toEqual([]);
    clock.advance(100);
    expect(sent).toEqual([{ type: 'lines', path: '/x', text: 'a\nb\n', lines: 2 }]);
    expect([...logged]).toEqual([4, 2]);

    const long = `${'x'.repeat(400_000)}\n`;
    for (let i = 0; i < 4; i += 1) writer.write(long);
    expect([sent.length, writer.dropped]).toEqual([3, 2]);
    // The main thread takes off what it has taken.
    Atomics.store(logged, 0, 0);
    writer.write('c\n');
    await writer.close();
    expect(sent.at(-1)).toMatchObject({ text: 'c\n' });
    expect(writer.dropped).toBe(2);
  });
});

describe('entries for telemetry', () => {
  it('are failures and a share of the rest; what was held back is counted', () => {
    const clock = new FakeClock();
    const sent: FromWorker[] = [];
    let lost = 0;
    const reports = forwardReports({
      send: (message) => sent.push(message),
      clock,
      ordinaryPerSecond: 2,
      droppedLines: () => lost,
    });
    const log = (code: number): void => reports.log(Object.assign(new RequestRecord(), { code, startMs: 5_000 }));
    for (const code of [200, 200, 200, 503, 200]) log(code);
    lost = 3;
    clock.advance(100);
    const [message] = sent;
    if (message?.type !== 'entries') throw new Error('nothing was sent');
    expect(message.entries.logs.map(({ status }) => status)).toEqual([200, 200, 503]);
    expect([message.entries.held, message.entries.droppedLines]).toEqual([2, 3]);
    reports.flush();
    expect(sent).toHaveLength(1);
  });
});
