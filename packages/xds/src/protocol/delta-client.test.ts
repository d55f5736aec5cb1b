import { XDS_TYPE } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import type { RejectedName } from '../client/ads-client-types.ts';
import { DeltaClient } from './delta-client.ts';
import type { DeltaRequest, IncomingDelta, IncomingResource } from './messages.ts';

const { cluster: CDS, endpoint: EDS, route: RDS } = XDS_TYPE;

const sent = (client: DeltaClient): DeltaRequest[] => {
  const out: DeltaRequest[] = [];
  for (let next = client.next(); next; next = client.next()) out.push(next);
  return out;
};

const resource = (typeUrl: string, name: string, version: string): IncomingResource => ({
  name,
  version,
  typeUrl,
  bytes: Buffer.from(version),
});

const response = (
  typeUrl: string,
  resources: IncomingResource[],
  more: Partial<IncomingDelta> = {},
): IncomingDelta => ({
  typeUrl,
  resources,
  removed: [],
  nonce: 'n1',
  systemVersion: '',
  ...more,
});

function take(client: DeltaClient, incoming: IncomingDelta, rejected: RejectedName[] = []) {
  const read = client.read(incoming);
  client.settle(incoming, read, rejected, 7);
  return read;
}

describe('delta client', () => {
  it('asks for the types in push order, each once', () => {
    const client = new DeltaClient();
    client.setSubscriptions(RDS, new Set(['r']));
    client.setSubscriptions(CDS, '*');
    expect(sent(client).map(({ typeUrl, subscribe }) => [typeUrl, subscribe])).toEqual([
      [CDS, ['*']],
      [RDS, ['r']],
    ]);
    expect(sent(client)).toEqual([]);
  });

  it('1.7 many changes of subscription go out as one request', () => {
    const client = new DeltaClient();
    client.setSubscriptions(EDS, new Set(['a', 'b']));
    sent(client);
    for (const names of [
      ['a', 'b', 'c'],
      ['b', 'c'],
      ['b', 'c', 'd'],
    ])
      client.setSubscriptions(EDS, new Set(names));
    expect(sent(client)).toMatchObject([{ subscribe: ['c', 'd'], unsubscribe: ['a'], nonce: '' }]);
  });

  it('answers each response by its nonce, after changes of subscription, never in one message with them', () => {
    const client = new DeltaClient();
    client.setSubscriptions(EDS, new Set(['a']));
    sent(client);
    take(client, response(EDS, [resource(EDS, 'a', '1')], { nonce: 'n1' }));
    client.setSubscriptions(EDS, new Set(['a', 'b']));
    take(client, response(EDS, [resource(EDS, 'a', '2')], { nonce: 'n2' }));
    expect(sent(client).map(({ nonce, subscribe }) => [nonce, subscribe])).toEqual([
      ['', ['b']],
      ['n1', []],
      ['n2', []],
    ]);
  });

  it('a NACK names what was rejected and why; the rest stands', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    sent(client);
    take(client, response(CDS, [resource(CDS, 'a', '1'), resource(CDS, 'b', '1')]), [
      { name: 'b', reason: 'no address' },
    ]);
    expect(sent(client)).toMatchObject([
      { nonce: 'n1', error: { code: 3, message: 'rejected 1 of 2: "b": no address' } },
    ]);
    expect([...client.types()[0]!.held]).toEqual([['a', '1']]);
    expect([...client.types()[0]!.rejected]).toEqual([['b', 'no address']]);
  });

  it('on a new stream claims the versions in force, not the rejected ones', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    sent(client);
    take(client, response(CDS, [resource(CDS, 'a', '1'), resource(CDS, 'b', '1')]));
    take(client, response(CDS, [resource(CDS, 'a', '2'), resource(CDS, 'c', '1')]), [
      { name: 'a', reason: 'bad' },
      { name: 'c', reason: 'bad' },
    ]);
    client.connected();
    const [again] = sent(client);
    expect(again?.nonce).toBe('');
    expect([...(again?.initialVersions ?? [])]).toEqual([
      ['a', '1'],
      ['b', '1'],
    ]);
  });

  it('no answer of an old stream is sent on a new one', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    sent(client);
    take(client, response(CDS, []));
    client.connected();
    expect(sent(client).map(({ nonce }) => nonce)).toEqual(['']);
  });

  it('claims what is on disk from an earlier run, if it is still wanted', () => {
    const client = new DeltaClient(
      new Map([
        [
          RDS,
          new Map([
            ['r', '1'],
            ['old', '1'],
          ]),
        ],
      ]),
    );
    client.setSubscriptions(RDS, new Set(['r']));
    expect([...sent(client)[0]!.initialVersions]).toEqual([['r', '1']]);
    expect([...client.types()[0]!.waiting]).toEqual([]);
  });

  it('1.4.8 a wildcard takes what was never named; otherwise what was not asked for is dropped', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    client.setSubscriptions(EDS, new Set(['a']));
    sent(client);
    expect(take(client, response(CDS, [resource(CDS, 'x', '1')])).added).toHaveLength(1);
    expect(take(client, response(EDS, [resource(EDS, 'x', '1')])).added).toEqual([]);
    expect(take(client, response(RDS, [resource(RDS, 'x', '1')])).added).toEqual([]);
  });

  it('1.3.12 a name twice in one response is rejected', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    sent(client);
    const read = take(
      client,
      response(CDS, [resource(CDS, 'a', '1'), resource(CDS, 'a', '2'), resource(CDS, 'b', '1')]),
    );
    expect(read.added.map(({ name }) => name)).toEqual(['b']);
    expect(sent(client)[0]?.error?.message).toContain('"a": appears twice');
  });

  it('1.4.9 a name both sent and removed is rejected', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    sent(client);
    const read = take(client, response(CDS, [resource(CDS, 'a', '1')], { removed: ['a'] }));
    expect(read).toMatchObject({ added: [], removed: [] });
    expect(sent(client)[0]?.error?.message).toContain('both sent and removed');
  });

  it('a resource of another type than its response is rejected', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    sent(client);
    take(client, response(CDS, [resource(EDS, 'a', '1')]));
    expect(sent(client)[0]?.error?.message).toContain('has type');
  });

  it('1.5 a heartbeat without a body changes nothing', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    sent(client);
    const beat: IncomingResource = { name: 'a', version: '1', typeUrl: '', bytes: undefined };
    expect(take(client, response(CDS, [beat])).added).toEqual([]);
    expect(sent(client)).toMatchObject([{ nonce: 'n1' }]);
  });

  it('1.4.4 a name that was dropped and is wanted again is asked for anew', () => {
    const client = new DeltaClient();
    client.setSubscriptions(EDS, new Set(['a', 'b']));
    sent(client);
    take(client, response(EDS, [resource(EDS, 'a', '1'), resource(EDS, 'b', '1')]));
    sent(client);
    client.setSubscriptions(EDS, new Set(['b']));
    client.setSubscriptions(EDS, new Set(['a', 'b']));
    expect(sent(client)).toMatchObject([{ subscribe: ['a'], unsubscribe: [] }]);
  });

  it('1.4.4 a wildcard that was dropped and is wanted again is asked for anew', () => {
    const client = new DeltaClient();
    client.setSubscriptions(CDS, '*');
    sent(client);
    take(client, response(CDS, [resource(CDS, 'a', '1')]));
    sent(client);
    client.setSubscriptions(CDS, new Set());
    client.setSubscriptions(CDS, '*');
    expect(sent(client)).toMatchObject([{ subscribe: ['*'], unsubscribe: [] }]);
  });

  it('knows which names wait for an answer; being told that one does not exist is an answer', () => {
    const client = new DeltaClient();
    client.setSubscriptions(EDS, new Set(['a', 'b']));
    sent(client);
    take(client, response(EDS, [resource(EDS, 'a', '1')]));
    expect([...client.types()[0]!.waiting]).toEqual(['b']);
    expect(take(client, response(EDS, [], { removed: ['b'] })).removed).toEqual(['b']);
    expect([...client.types()[0]!.waiting]).toEqual([]);
  });
});
