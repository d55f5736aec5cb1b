import { XDS_TYPE } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import { changesOf, sotw, told, viewOf, type Versions } from '../testing/view.ts';
import type { SotwRequest } from './messages.ts';
import { createSotwStream, type ServerResponse } from './server-stream.ts';

const { cluster: CDS, endpoint: EDS, listener: LDS, route: RDS, secret: SDS } = XDS_TYPE;

function streamOn(initial: Versions) {
  const stream = createSotwStream('s-');
  let view = viewOf(initial, 'v1');
  const drain = (): ServerResponse[] => {
    const out: ServerResponse[] = [];
    for (let next = stream.next(view, 0); next; next = stream.next(view, 0)) out.push(next);
    return out;
  };
  return {
    stream,
    drain,
    send(request: SotwRequest): ServerResponse[] {
      stream.handle(request, 0);
      return drain();
    },
    ack(response: ServerResponse | undefined, names: readonly string[] = [], message?: string): ServerResponse[] {
      const { typeUrl, nonce, version } = response!;
      const error = message === undefined ? {} : { error: { code: 3, message } };
      return this.send(sotw(typeUrl, names, { nonce, versionInfo: version, ...error }));
    },
    change(next: Versions, changes?: Readonly<Record<string, readonly string[]>>): ServerResponse[] {
      view = viewOf(next, 'v2');
      stream.changed(changes && changesOf(changes));
      return drain();
    },
  };
}

const types = (responses: readonly ServerResponse[]): string[] => responses.map(({ typeUrl }) => typeUrl);

describe('state-of-the-world server', () => {
  it('1.3.1 a first request has neither version nor nonce and gets everything it asks for', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' } });
    expect(s.send(sotw(CDS)).map(told)).toEqual([{ a: '1', b: '1' }]);
  });

  it('1.3.3 each type is a sub-stream of its own: a nonce of one is stale for the other', () => {
    const s = streamOn({ [CDS]: { a: '1' }, [LDS]: { l: '1' } });
    const [clusters] = s.send(sotw(CDS));
    s.ack(clusters);
    s.send(sotw(LDS));
    expect(s.stream.handle(sotw(LDS, [], { nonce: clusters!.nonce }), 0)).toBe('stale');
  });

  it('1.3.4 an ACK is recorded and gets no answer', () => {
    const s = streamOn({ [CDS]: { a: '1' } });
    const [answer] = s.send(sotw(CDS));
    expect(s.ack(answer)).toEqual([]);
    expect(s.stream.records()).toMatchObject([{ status: 'synced', acked: { nonce: answer!.nonce, version: 'v1' } }]);
  });

  it('1.3.5 a NACK is known by its error detail alone, not by its version', () => {
    const s = streamOn({ [EDS]: { a: '1' } });
    const [answer] = s.send(sotw(EDS, ['a']));
    const nack = sotw(EDS, ['a'], { nonce: answer!.nonce, versionInfo: 'v1', error: { code: 3, message: 'no' } });
    expect(s.stream.handle(nack, 0)).toBe('rejected');
    const other = streamOn({ [EDS]: { a: '1' } });
    const [again] = other.send(sotw(EDS, ['a']));
    expect(other.stream.handle(sotw(EDS, ['a'], { nonce: again!.nonce, versionInfo: '' }), 0)).toBe('accepted');
  });

  it('1.3.6 after a NACK the server is quiet until its own config changes', () => {
    const s = streamOn({ [CDS]: { a: '1' } });
    const [answer] = s.send(sotw(CDS));
    expect(s.ack(answer, [], 'bad')).toEqual([]);
    expect(s.change({ [CDS]: { a: '1' } })).toEqual([]);
    expect(s.stream.records()[0]?.status).toBe('nacked');
    const [fixed] = s.change({ [CDS]: { a: '2' } });
    s.ack(fixed);
    expect(s.stream.records()[0]?.status).toBe('synced');
  });

  it('1.3.7 a request with a nonce that is not the latest is dropped', () => {
    const s = streamOn({ [RDS]: { a: '1', b: '1' } });
    const [first] = s.send(sotw(RDS, ['a']));
    s.ack(first, ['a']);
    const [second] = s.change({ [RDS]: { a: '2', b: '1' } });
    expect(s.send(sotw(RDS, ['a', 'b'], { nonce: first!.nonce }))).toEqual([]);
    expect(s.ack(second, ['a', 'b']).map(told)).toEqual([{ b: '1' }]);
  });

  it('1.3.8 an empty nonce, or a type unknown on this stream, starts over: all is sent again', () => {
    const s = streamOn({ [CDS]: { a: '1' }, [RDS]: { r: '1' } });
    s.ack(s.send(sotw(CDS))[0]);
    const again = s.send(sotw(CDS));
    expect(again.map(told)).toEqual([{ a: '1' }]);
    s.ack(again[0]);
    const reconnect = sotw(RDS, ['r'], { versionInfo: 'v1', nonce: 'of-an-earlier-stream' });
    expect(s.send(reconnect).map(told)).toEqual([{ r: '1' }]);
  });

  it('1.3.9 added names are answered even if unchanged; only the added ones', () => {
    const s = streamOn({ [EDS]: { a: '1', b: '1' } });
    const [first] = s.send(sotw(EDS, ['a']));
    s.ack(first, ['a']);
    expect(s.send(sotw(EDS, ['a', 'b'], { nonce: first!.nonce, versionInfo: 'v1' })).map(told)).toEqual([{ b: '1' }]);
  });

  it('1.3.9 a name that was dropped and asked for again is answered again', () => {
    const s = streamOn({ [EDS]: { a: '1', b: '1' } });
    const [first] = s.send(sotw(EDS, ['a', 'b']));
    expect(s.ack(first, ['a'])).toEqual([]);
    expect(s.send(sotw(EDS, ['a', 'b'], { nonce: first!.nonce })).map(told)).toEqual([{ b: '1' }]);
  });

  it('1.3.9 fewer names get no answer, except for clusters and listeners, whose responses are complete', () => {
    const s = streamOn({ [EDS]: { a: '1', b: '1' }, [LDS]: { x: '1', y: '1' } });
    expect(s.ack(s.send(sotw(EDS, ['a', 'b']))[0], ['a'])).toEqual([]);
    expect(s.ack(s.send(sotw(LDS, ['x', 'y']))[0], ['x']).map(told)).toEqual([{ x: '1' }]);
  });

  it('1.3.10 endpoint pushes hold only what changed; cluster pushes are complete', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' }, [EDS]: { a: '1', b: '1' } });
    s.ack(s.send(sotw(CDS))[0]);
    s.ack(s.send(sotw(EDS, ['a', 'b']))[0], ['a', 'b']);
    expect(s.change({ [CDS]: { a: '1', b: '1' }, [EDS]: { a: '1', b: '2' } }).map(told)).toEqual([{ b: '2' }]);
    const [clusters] = s.change({ [CDS]: { a: '1', b: '2' }, [EDS]: { a: '1', b: '2' } });
    expect(told(clusters)).toEqual({ a: '1', b: '2' });
  });

  it('1.3.11 an empty cluster response deletes all; absent endpoints are not mentioned', () => {
    const s = streamOn({ [CDS]: { a: '1' }, [EDS]: { a: '1' } });
    s.ack(s.send(sotw(CDS))[0]);
    s.ack(s.send(sotw(EDS, ['a']))[0], ['a']);
    expect(s.change({})).toMatchObject([{ typeUrl: CDS, resources: [] }]);
  });

  it('1.3.13 no names for a type that must be named ends the watch silently', () => {
    const s = streamOn({ [RDS]: { a: '1' } });
    expect(s.ack(s.send(sotw(RDS, ['a']))[0], [])).toEqual([]);
    expect(s.change({ [RDS]: { a: '2' } })).toEqual([]);
  });

  it('1.3.14 every requested route and endpoint name is answered, with an empty resource if unknown', () => {
    const s = streamOn({ [EDS]: { a: '1' } });
    const endpoints = s.send(sotw(EDS, ['a', 'b']));
    expect(endpoints.map(told)).toEqual([{ a: '1', b: 'absent' }]);
    s.ack(endpoints[0], ['a', 'b']);
    expect(s.send(sotw(RDS, ['x'])).map(told)).toEqual([{ x: 'absent' }]);
  });

  it('1.3.15 a missing resource is remembered and sent once it appears', () => {
    const s = streamOn({});
    expect(s.send(sotw(SDS, ['x']))).toEqual([]);
    expect(s.change({ [SDS]: { x: '1' } }).map(told)).toEqual([{ x: '1' }]);
  });

  it('wildcard: the explicit name * works alone and together with names', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' } });
    const [answer] = s.send(sotw(CDS, ['*', 'a']));
    expect(told(answer)).toEqual({ a: '1', b: '1' });
    expect(s.ack(answer, ['a']).map(told)).toEqual([{ a: '1' }]);
  });

  it('wildcard: once any name was sent, an empty list means nothing', () => {
    const s = streamOn({ [LDS]: { a: '1', b: '1' } });
    expect(s.ack(s.send(sotw(LDS, ['a']))[0], [])).toEqual([]);
    expect(s.change({ [LDS]: { a: '2', b: '2' } })).toEqual([]);
  });

  it('1.4.11 a new cluster watch makes the next endpoint request answered though it changes nothing', () => {
    const s = streamOn({ [CDS]: { a: '1' }, [EDS]: { a: 'e' } });
    s.ack(s.send(sotw(CDS))[0]);
    const [endpoints] = s.send(sotw(EDS, ['a']));
    s.ack(endpoints, ['a']);
    const said = s.send(sotw(CDS));
    expect(types(said)).toEqual([CDS, EDS]);
    expect(s.ack(said[1], ['a']).map(told)).toEqual([{ a: 'e' }]);
  });

  it('1.6 endpoints follow a changed cluster even when they are the same', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' }, [EDS]: { a: 'e', b: 'e' } });
    s.ack(s.send(sotw(CDS))[0]);
    s.ack(s.send(sotw(EDS, ['a', 'b']))[0], ['a', 'b']);
    const said = s.change({ [CDS]: { a: '2', b: '1' }, [EDS]: { a: 'e', b: 'e' } });
    expect(said.map(told)).toEqual([{ a: '2', b: '1' }, { a: 'e' }]);
  });

  it('1.6 a cluster that routes may still use stays in the complete list until the routes were taken', () => {
    const s = streamOn({ [CDS]: { a: '1', b: '1' }, [RDS]: { r: '1' } });
    s.ack(s.send(sotw(CDS))[0]);
    s.ack(s.send(sotw(RDS, ['r']))[0], ['r']);
    const said = s.change({ [CDS]: { a: '2' }, [RDS]: { r: '2' } });
    expect(said.map(told)).toEqual([{ a: '2', b: '1' }]);
    const [routes] = s.ack(said[0]);
    expect(told(routes)).toEqual({ r: '2' });
    expect(s.ack(routes, ['r']).map(told)).toEqual([{ a: '2' }]);
  });
});
