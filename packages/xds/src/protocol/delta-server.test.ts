import { XDS_TYPE } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import { changesOf, delta, told, viewOf, type Versions } from '../testing/view.ts';
import type { DeltaRequest } from './messages.ts';
import { createDeltaStream, type ServerResponse } from './server-stream.ts';

const { cluster: CDS, endpoint: EDS, listener: LDS, route: RDS, secret: SDS } = XDS_TYPE;

/** A stream whose view can be changed; `send` returns everything that the server then says. */
function streamOn(initial: Versions) {
  const stream = createDeltaStream('s-');
  let view = viewOf(initial);
  let now = 0;
  const drain = (): ServerResponse[] => {
    const out: ServerResponse[] = [];
    for (let next = stream.next(view, now); next; next = stream.next(view, now)) out.push(next);
    return out;
  };
  return {
    stream,
    drain,
    send(request: DeltaRequest): ServerResponse[] {
      now += 1;
      stream.handle(request, now);
      return drain();
    },
    ack(response: ServerResponse | undefined, message?: string): ServerResponse[] {
      const error = message === undefined ? {} : { error: { code: 3, message } };
      return this.send(delta(response!.typeUrl, { nonce: response!.nonce, ...error }));
    },
    wait(until: number): void {
      now = until;
    },
    /** Answers everything until the server is silent. */
    settle(responses: readonly ServerResponse[]): ServerResponse[] {
      const said: ServerResponse[] = [];
      let waiting = [...responses];
      while (waiting.length > 0) {
        const [first, ...rest] = waiting;
        said.push(first!);
        waiting = [...rest, ...this.ack(first)];
      }
      return said;
    },
    change(next: Versions, changes?: Readonly<Record<string, readonly string[]>>): ServerResponse[] {
      view = viewOf(next);
      stream.changed(changes && changesOf(changes));
      return drain();
    },
  };
}

const types = (responses: readonly ServerResponse[]): string[] =>
  responses.map(({ typeUrl }) => Object.entries(XDS_TYPE).find(([, url]) => url === typeUrl)?.[0] ?? typeUrl);

describe('delta server', () => {
  it('1.4.1 each type has its own subscription, versions and nonces', () => {
    const s = streamOn({ [CDS]: { c: '1' }, [EDS]: { c: 'e1' } });
    const [clusters] = s.send(delta(CDS));
    const [endpoints] = s.send(delta(EDS, { subscribe: ['c'] }));
    expect([told(clusters), told(endpoints)]).toEqual([{ c: '1' }, { c: 'e1' }]);
    s.ack(endpoints);
    expect(s.stream.records().map(({ status }) => status)).toEqual(['pending', 'synced']);
  });

  it('1.4.2 a change of subscription is honoured even with a stale nonce', () => {
    const s = streamOn({ [RDS]: { a: '1', b: '1' } });
    s.send(delta(RDS, { subscribe: ['a'] }));
    const request = delta(RDS, { subscribe: ['b'], nonce: 'of-another-stream' });
    expect(s.stream.handle(request, 1)).toBe('stale');
    expect(told(s.drain()[0])).toEqual({ b: '1' });
  });

  it('1.4.3 a first request without names is a wildcard for clusters and listeners, and nothing for the rest', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' }, [EDS]: { a: '1' } });
    expect(told(s.send(delta(CDS))[0])).toEqual({ a: '1', b: '1' });
    expect(s.send(delta(EDS))).toEqual([]);
  });

  it('1.4.3 a first wildcard request is answered even when there is nothing', () => {
    expect(streamOn({}).send(delta(LDS))).toMatchObject([{ resources: [], removed: [] }]);
  });

  it('1.4.3 on reconnect only differences are sent and what is gone is listed as removed', () => {
    const s = streamOn({ [CDS]: { same: '1', newer: '2', added: '1' } });
    const initialVersions = new Map([
      ['same', '1'],
      ['newer', '1'],
      ['gone', '1'],
    ]);
    const said = s.settle(s.send(delta(CDS, { initialVersions })));
    expect(said.map(told)).toEqual([{ newer: '2', added: '1' }]);
    expect(said.flatMap(({ removed }) => removed)).toEqual(['gone']);
  });

  it('1.4.3 on reconnect with everything at hand the answer is empty, so that the client knows it is in sync', () => {
    const s = streamOn({ [RDS]: { a: '1' } });
    const said = s.send(delta(RDS, { subscribe: ['a'], initialVersions: new Map([['a', '1']]) }));
    expect(said).toMatchObject([{ resources: [], removed: [] }]);
  });

  it('1.4.4 subscribing again to a name already held is answered again', () => {
    const s = streamOn({ [RDS]: { a: '1' } });
    s.settle(s.send(delta(RDS, { subscribe: ['a'] })));
    expect(told(s.send(delta(RDS, { subscribe: ['a'] }))[0])).toEqual({ a: '1' });
  });

  it('1.4.4 subscribing again to * sends everything again', () => {
    const s = streamOn({ [LDS]: { a: '1', b: '1' } });
    s.settle(s.send(delta(LDS, { subscribe: ['*'] })));
    expect(told(s.send(delta(LDS, { subscribe: ['*'] }))[0])).toEqual({ a: '1', b: '1' });
  });

  it('1.4.5 unsubscribing gets no response, and no further news', () => {
    const s = streamOn({ [RDS]: { a: '1', b: '1' } });
    s.settle(s.send(delta(RDS, { subscribe: ['a', 'b'] })));
    expect(s.send(delta(RDS, { unsubscribe: ['a'] }))).toEqual([]);
    expect(s.change({ [RDS]: { a: '2', b: '1' } })).toEqual([]);
  });

  it('1.4.5 unsubscribing a name under a wildcard is answered: the resource, or that it is gone', () => {
    const s = streamOn({ [CDS]: { a: '1' } });
    s.settle(s.send(delta(CDS, { subscribe: ['*', 'a', 'b'] })));
    expect(told(s.send(delta(CDS, { unsubscribe: ['a'] }))[0])).toEqual({ a: '1' });
    expect(s.send(delta(CDS, { unsubscribe: ['b'] }))).toMatchObject([{ resources: [], removed: ['b'] }]);
  });

  it('1.4.5 unsubscribing * leaves only what was named', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' } });
    s.settle(s.send(delta(CDS, { subscribe: ['*', 'a'] })));
    expect(s.send(delta(CDS, { unsubscribe: ['*'] }))).toEqual([]);
    expect(s.change({ [CDS]: { a: '2', b: '2' } }).map(told)).toEqual([{ a: '2' }]);
  });

  it('1.4.5 names that give way to a wildcard in one request stay known: their removal is told', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' } });
    s.settle(s.send(delta(CDS, { subscribe: ['a'] })));
    s.change({ [CDS]: { b: '1' } }, {});
    const said = s.settle(s.send(delta(CDS, { subscribe: ['*'], unsubscribe: ['a'] })));
    expect(said).toMatchObject([{ resources: [{ name: 'b' }], removed: ['a'] }]);
  });

  it('1.4.6 a name that does not exist is said to be removed at once', () => {
    const s = streamOn({});
    expect(s.send(delta(SDS, { subscribe: ['x'] }))).toMatchObject([{ resources: [], removed: ['x'] }]);
  });

  it('1.3.14 an unknown route or endpoint name gets an empty resource, since such clients wait without a limit', () => {
    const s = streamOn({});
    const [answer] = s.send(delta(EDS, { subscribe: ['x'] }));
    expect(answer).toMatchObject({ removed: [], resources: [{ name: 'x', bytes: Buffer.from([0x0a, 1, 0x78]) }] });
    s.ack(answer);
    expect(told(s.send(delta(RDS, { subscribe: ['y'] }))[0])).toEqual({ y: 'absent' });
  });

  it('1.3.15 a subscription to a missing resource is remembered', () => {
    const s = streamOn({});
    s.settle(s.send(delta(SDS, { subscribe: ['x'] })));
    s.settle(s.send(delta(RDS, { subscribe: ['y'] })));
    const said = s.settle(s.change({ [SDS]: { x: '1' }, [RDS]: { y: '1' } }));
    expect(said.map(told)).toEqual([{ y: '1' }, { x: '1' }]);
  });

  it('1.4.7 versions are per resource: what did not change is not sent', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' } });
    s.settle(s.send(delta(CDS)));
    expect(s.change({ [CDS]: { a: '1', b: '2' } }).map(told)).toEqual([{ b: '2' }]);
  });

  it('1.4.9 a name is never both sent and removed', () => {
    const s = streamOn({ [LDS]: { l: '1' }, [RDS]: { r: '1' } });
    s.settle(s.send(delta(LDS)));
    s.settle(s.send(delta(RDS, { subscribe: ['r'] })));
    // The removal of r waits for the listeners; meanwhile the client asks for it again.
    const [listeners] = s.change({ [LDS]: { l: '2' } });
    const [answer] = s.send(delta(RDS, { subscribe: ['r'] }));
    expect(answer).toMatchObject({ resources: [{ name: 'r', version: 'absent' }], removed: [] });
    expect(s.ack(listeners)).toEqual([]);
  });

  it('1.4.11 endpoints follow a changed cluster even when they are the same', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' }, [EDS]: { a: 'e', b: 'e' } });
    s.settle(s.send(delta(CDS)));
    s.settle(s.send(delta(EDS, { subscribe: ['a', 'b'] })));
    const said = s.change({ [CDS]: { a: '2', b: '1' }, [EDS]: { a: 'e', b: 'e' } });
    expect(types(said)).toEqual(['cluster', 'endpoint']);
    expect(told(said[1])).toEqual({ a: 'e' });
  });

  it('1.4.11 after a cluster request was answered all endpoints are sent', () => {
    const s = streamOn({ [CDS]: { a: '1' }, [EDS]: { a: 'e', 'other-name': 'e' } });
    s.settle(s.send(delta(CDS)));
    s.settle(s.send(delta(EDS, { subscribe: ['a', 'other-name'] })));
    const said = s.send(delta(CDS, { subscribe: ['a'] }));
    expect(types(said)).toEqual(['cluster', 'endpoint']);
    expect(told(said[1])).toEqual({ a: 'e', 'other-name': 'e' });
  });

  it('1.4.11 endpoints of a cluster sent on this stream are sent even if the client claims to have them', () => {
    const s = streamOn({ [CDS]: { a: '2', b: '1' }, [EDS]: { a: 'e', b: 'e' } });
    s.settle(
      s.send(
        delta(CDS, {
          initialVersions: new Map([
            ['a', '1'],
            ['b', '1'],
          ]),
        }),
      ),
    );
    const claims = new Map([
      ['a', 'e'],
      ['b', 'e'],
    ]);
    expect(s.send(delta(EDS, { subscribe: ['a', 'b'], initialVersions: claims })).map(told)).toEqual([{ a: 'e' }]);
  });

  it('1.3.6 after a NACK the server is quiet until its own resource changes', () => {
    const s = streamOn({ [RDS]: { a: '1', b: '1' } });
    const [answer] = s.send(delta(RDS, { subscribe: ['a', 'b'] }));
    expect(s.ack(answer, 'rejected 1 of 2: "a": no clusters')).toEqual([]);
    expect(s.change({ [RDS]: { a: '1', b: '1' } })).toEqual([]);
    expect(s.change({ [RDS]: { a: '2', b: '1' } }).map(told)).toEqual([{ a: '2' }]);
  });

  it('f12 a NACK is recorded with its detail and stands until the named resource is accepted', () => {
    const s = streamOn({ [RDS]: { a: '1', 'a.b': '1' } });
    const [answer] = s.send(delta(RDS, { subscribe: ['a', 'a.b'] }));
    s.ack(answer, 'rejected 1 of 2: "a": no clusters');
    expect(s.stream.records()[0]).toMatchObject({
      status: 'nacked',
      nacked: { message: expect.stringContaining('no clusters') },
    });
    s.settle(s.change({ [RDS]: { a: '1', 'a.b': '2' } }));
    expect(s.stream.records()[0]?.status).toBe('nacked');
    s.settle(s.change({ [RDS]: { a: '2', 'a.b': '2' } }));
    expect(s.stream.records()[0]?.status).toBe('synced');
  });

  it('f12 a NACK that names no resource ends with the next accepted response about one of them', () => {
    const s = streamOn({ [LDS]: { a: '1', b: '1' } });
    s.ack(s.send(delta(LDS))[0], 'something is wrong');
    s.settle(s.change({ [LDS]: { a: '1', b: '2' } }));
    expect(s.stream.records()[0]?.status).toBe('synced');
  });

  it('f11 at most one push of a type is unanswered; later changes merge into the next', () => {
    const s = streamOn({ [RDS]: { a: '1', b: '1' } });
    s.settle(s.send(delta(RDS, { subscribe: ['a', 'b'] })));
    const [first] = s.change({ [RDS]: { a: '2', b: '1' } });
    expect(s.change({ [RDS]: { a: '3', b: '1' } })).toEqual([]);
    expect(s.change({ [RDS]: { a: '4', b: '2' } })).toEqual([]);
    expect(s.ack(first).map(told)).toEqual([{ a: '4', b: '2' }]);
  });

  it('f13 equal content makes no push, also when everything is to be compared', () => {
    const s = streamOn({ [CDS]: { a: '1' } });
    s.settle(s.send(delta(CDS)));
    expect(s.change({ [CDS]: { a: '1' } })).toEqual([]);
  });

  it('only names that are said to have changed are compared', () => {
    const s = streamOn({ [RDS]: { a: '1', b: '1' } });
    s.settle(s.send(delta(RDS, { subscribe: ['a', 'b'] })));
    expect(s.change({ [RDS]: { a: '2', b: '2' } }, { [RDS]: ['b'] }).map(told)).toEqual([{ b: '2' }]);
  });
});

describe('order of a push', () => {
  const all = (version: string): Versions => ({
    [CDS]: { c: version },
    [EDS]: { c: version },
    [LDS]: { l: version },
    [RDS]: { r: version },
  });
  const connected = (): ReturnType<typeof streamOn> => {
    const s = streamOn(all('1'));
    s.settle(s.send(delta(RDS, { subscribe: ['r', 'r2'] })));
    s.settle(s.send(delta(LDS)));
    s.settle(s.send(delta(EDS, { subscribe: ['c', 'c2'] })));
    s.settle(s.send(delta(CDS)));
    return s;
  };

  it('1.6 sends clusters, endpoints, listeners, routes, whatever order they were asked in', () => {
    const s = connected();
    expect(types(s.settle(s.change(all('2'))))).toEqual(['cluster', 'endpoint', 'listener', 'route']);
  });

  it('1.6 routes wait until new clusters and the endpoints they warm with were taken', () => {
    const s = connected();
    const next = { ...all('2'), [CDS]: { c: '1', c2: '1' }, [EDS]: { c: '1', c2: '1' }, [LDS]: { l: '1' } };
    const [clusters, ...others] = s.change(next);
    expect([told(clusters), types(others)]).toEqual([{ c2: '1' }, ['endpoint']]);
    // The client was already subscribed to c2; it asks again as Envoy would, and acknowledges afterwards.
    const [first] = others;
    expect(types(s.ack(clusters))).toEqual([]);
    expect(types(s.ack(first))).toEqual(['route']);
  });

  it('a stream of endpoint changes does not hold routes up', () => {
    const s = connected();
    s.change({ ...all('1'), [EDS]: { c: '2' } });
    expect(types(s.change({ ...all('1'), [EDS]: { c: '3' }, [RDS]: { r: '2' } }))).toEqual(['route']);
  });

  it('routes do not wait for a cluster that was refused', () => {
    const s = connected();
    const [clusters, endpoints] = s.change({ ...all('1'), [CDS]: { c: '2' }, [RDS]: { r: '2' } });
    s.ack(endpoints);
    expect(types(s.ack(clusters, 'rejected 1 of 1: "c": bad'))).toEqual(['route']);
  });

  it('1.6 clusters stay until routes by new names have followed their listener', () => {
    const s = streamOn({ [CDS]: { old: '1' }, [LDS]: { l: 'r1' }, [RDS]: { r1: 'to old' } });
    s.settle(s.send(delta(CDS)));
    s.settle(s.send(delta(LDS)));
    s.settle(s.send(delta(RDS, { subscribe: ['r1'] })));
    const [clusters] = s.change({ [CDS]: { new: '1' }, [LDS]: { l: 'r2' }, [RDS]: { r2: 'to new' } });
    expect(told(clusters)).toEqual({ new: '1' });
    const [listeners] = s.ack(clusters);
    expect(told(listeners)).toEqual({ l: 'r2' });
    // Taken, but it serves once its routes are there; until then the former one does.
    expect(s.settle(s.ack(listeners)).flatMap(({ removed }) => removed)).toEqual(['r1']);
    const [routes] = s.send(delta(RDS, { subscribe: ['r2'] }));
    expect(told(routes)).toEqual({ r2: 'to new' });
    const said = s.settle(s.ack(routes));
    expect(said.flatMap(({ removed }) => removed)).toEqual(['old']);
    expect(s.stream.heldUntil()).toBeUndefined();
  });

  it('1.6 who never asks for a route gets removals all the same, a moment later', () => {
    const s = streamOn({ [CDS]: { old: '1' }, [LDS]: { l: '1' }, [RDS]: { r: '1' } });
    s.settle(s.send(delta(CDS)));
    s.settle(s.send(delta(LDS)));
    const said = s.settle(s.change({ [CDS]: {}, [LDS]: { l: '2' }, [RDS]: { r: '1' } }));
    expect(said.flatMap(({ removed }) => removed)).toEqual([]);
    s.wait(s.stream.heldUntil()!);
    expect(s.drain().flatMap(({ removed }) => removed)).toEqual(['old']);
  });

  it('1.6 removes the other way round: nothing goes before what refers to it was taken', () => {
    const s = connected();
    const said = s.settle(s.change({ [LDS]: { l: '2' }, [RDS]: {} }));
    expect(types(said)).toEqual(['listener', 'route', 'cluster', 'endpoint']);
    expect(said.map(({ removed }) => removed)).toEqual([[], ['r'], ['c'], ['c']]);
  });

  it('a removed listener leaves together with the one that takes its address', () => {
    const s = connected();
    const said = s.change({ ...all('1'), [LDS]: { 'l-new': '1' } });
    expect(said).toMatchObject([{ resources: [{ name: 'l-new' }], removed: ['l'] }]);
  });

  it('a cluster stays while the routes that let go of it are refused', () => {
    const s = connected();
    const [routes] = s.change({ ...all('1'), [RDS]: { r: '2' }, [CDS]: {} });
    expect(s.ack(routes, 'rejected 1 of 1: "r": bad')).toEqual([]);
    const said = s.settle(s.change({ ...all('1'), [RDS]: { r: '3' }, [CDS]: {} }));
    expect(said.map(({ removed }) => removed)).toEqual([[], ['c']]);
  });

  it('an answer about routes waits for clusters on their way', () => {
    const s = connected();
    const [clusters, endpoints] = s.change({ ...all('1'), [CDS]: { c: '2' } });
    expect(types(s.send(delta(RDS, { subscribe: ['r'] })))).toEqual([]);
    s.ack(endpoints);
    expect(types(s.ack(clusters))).toEqual(['route']);
  });

  it('a client that asks on and on without answering is not served for ever', () => {
    const s = streamOn({ [RDS]: { a: '1' } });
    let said = 0;
    for (let i = 0; i < 1_000; i += 1) said += s.send(delta(RDS, { subscribe: ['a'] })).length;
    expect(said).toBe(64);
  });
});
