import { XDS_TYPE } from '@weft/contracts';
import { seededRandom, silentLogger } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import type { DeltaRequest, IncomingDelta } from '../protocol/messages.ts';
import type { AdsClientHandlers } from './ads-client-types.ts';
import { createAdsClient } from './ads-client.ts';
import type { AdsStreamEvents } from './ads-transport.ts';

const { cluster: CDS, endpoint: EDS } = XDS_TYPE;

function harness(handlers: AdsClientHandlers = { onUpdate: () => [] }) {
  const clock = new FakeClock();
  const streams: { readonly events: AdsStreamEvents; readonly requests: DeltaRequest[]; closed: boolean }[] = [];
  const client = createAdsClient({
    transport: {
      open(events) {
        const stream = { events, requests: [] as DeltaRequest[], closed: false };
        streams.push(stream);
        return { send: (request) => void stream.requests.push(request), close: () => void (stream.closed = true) };
      },
    },
    node: { id: 'n' },
    handlers,
    clock,
    random: seededRandom(3),
    logger: silentLogger,
  });
  return { client, clock, streams, last: () => streams.at(-1)! };
}

const answer = (typeUrl: string, names: readonly string[], nonce = '1'): IncomingDelta => ({
  typeUrl,
  nonce,
  systemVersion: '',
  removed: [],
  resources: names.map((name) => ({ name, version: '1', typeUrl, bytes: new Uint8Array(1) })),
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('ADS client', () => {
  it('introduces its node on the first request of each stream only', async () => {
    const { client, clock, streams, last } = harness();
    client.setSubscriptions(CDS, '*');
    client.setSubscriptions(EDS, ['a']);
    client.start();
    expect(last().requests.map(({ node }) => node?.id)).toEqual(['n', undefined]);
    last().events.onEnd('gone');
    clock.advance(60_000);
    await settled();
    expect(streams).toHaveLength(2);
    expect(last().requests.map(({ node }) => node?.id)).toEqual(['n', undefined]);
  });

  it('waits longer after each failure, with jitter, up to 30 s, and starts over after a response', () => {
    const { client, clock, streams, last } = harness();
    client.setSubscriptions(CDS, '*');
    client.start();
    const waits: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      const at = clock.now();
      const before = streams.length;
      last().events.onEnd('refused');
      while (streams.length === before) clock.advance(10);
      waits.push(clock.now() - at);
    }
    expect(waits[0]).toBeLessThanOrEqual(510);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_010);
    expect(Math.max(...waits)).toBeGreaterThan(5_000);
    expect(client.state()).toMatchObject({ connected: false, failures: 12, lastError: 'refused' });
    last().events.onResponse(answer(CDS, ['a']));
    expect(client.state()).toMatchObject({ connected: true, failures: 0 });
    const [at, before] = [clock.now(), streams.length];
    last().events.onEnd('again');
    while (streams.length === before) clock.advance(10);
    expect(clock.now() - at).toBeLessThanOrEqual(510);
  });

  it('subscriptions set while a response is applied go out as one request, before its acknowledgement', () => {
    const h = harness({
      onUpdate(typeUrl, added) {
        if (typeUrl === CDS)
          for (const [i] of added.entries())
            h.client.setSubscriptions(
              EDS,
              added.slice(0, i + 1).map(({ name }) => name),
            );
        return [];
      },
    });
    h.client.setSubscriptions(CDS, '*');
    h.client.start();
    h.last().events.onResponse(answer(CDS, ['a', 'b', 'c']));
    expect(h.last().requests.slice(1)).toMatchObject([
      { typeUrl: EDS, subscribe: ['a', 'b', 'c'] },
      { typeUrl: CDS, nonce: '1' },
    ]);
  });

  it('an update that can not be applied is a NACK of all of it, and the stream goes on', () => {
    const { client, last } = harness({
      onUpdate() {
        throw new Error('no memory');
      },
    });
    client.setSubscriptions(CDS, '*');
    client.start();
    last().events.onResponse(answer(CDS, ['a', 'b']));
    expect(last().requests[1]?.error?.message).toBe('rejected 2 of 2: "a": no memory; "b": no memory');
    expect(client.state()).toMatchObject({ connected: true, types: [{ nacked: 1, resources: 0 }] });
  });

  it('says for each type what it has and what it waits for', () => {
    const { client, last } = harness();
    client.setSubscriptions(EDS, ['a', 'b']);
    client.start();
    last().events.onResponse(answer(EDS, ['a']));
    expect(client.state().types).toMatchObject([{ received: true, resources: 1, waitingFor: ['b'], accepted: 1 }]);
  });

  it('a transport that can not even open counts as a failure and is tried again', () => {
    const clock = new FakeClock();
    let attempts = 0;
    const client = createAdsClient({
      transport: {
        open() {
          attempts += 1;
          throw new Error('no certificate yet');
        },
      },
      node: { id: 'n' },
      handlers: { onUpdate: () => [] },
      clock,
      random: seededRandom(1),
      logger: silentLogger,
    });
    client.start();
    clock.advance(5_000);
    expect(attempts).toBeGreaterThan(2);
    expect(client.state().lastError).toBe('no certificate yet');
    client.close();
    const before = attempts;
    clock.advance(60_000);
    expect(attempts).toBe(before);
  });

  it('reconnect drops the stream and opens another at once; late events of the old one are not heard', () => {
    const { client, streams, last } = harness();
    client.setSubscriptions(CDS, '*');
    client.start();
    last().events.onResponse(answer(CDS, ['a']));
    const [old] = streams;
    client.reconnect();
    expect([old?.closed, streams.length]).toEqual([true, 2]);
    old?.events.onEnd('late');
    old?.events.onResponse(answer(CDS, ['b']));
    expect(client.state().types[0]?.resources).toBe(1);
    expect([...last().requests[0]!.initialVersions]).toEqual([['a', '1']]);
  });
});
