import { decode, encode, type Question } from 'dns-packet';
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answer, answerAlone, type DnsAnswer } from './answer.ts';
import { buildNameTable, type NameEntry } from './name-table.ts';

const service = (name: string, namespace: string, ...ips: readonly string[]): NameEntry => ({
  host: `${name}.${namespace}.svc.cluster.local`,
  ips,
  shortName: name,
  namespace,
});
const TABLE = buildNameTable(
  [
    service('reviews', 'default', '10.96.0.7'),
    service('ratings', 'other', '10.96.0.8'),
    service('dual', 'default', '10.96.0.9', 'fd00::9'),
    service('six', 'default', 'fd00::6'),
    { host: 'api.Example.com', ips: ['240.240.0.1'] },
    { host: '*.example.com', ips: ['240.240.0.2'] },
    { host: '*.b.example.com', ips: ['240.240.0.3'] },
    { host: 'ratings.other', ips: ['240.240.0.4'] },
    { host: 'wide.example.org', ips: ['10.0.0.0/8'] },
    { host: '*', ips: ['1.1.1.1'] },
  ],
  'default',
);
const ask = (name: string, type: Question['type'] = 'A', transport: 'udp' | 'tcp' = 'udp'): DnsAnswer =>
  answer(encode({ type: 'query', id: 5, questions: [{ type, name }] }), TABLE, { ttlSeconds: 30, transport });
const addresses = (found: DnsAnswer): unknown =>
  found.kind === 'reply'
    ? (decode(found.bytes).answers ?? []).map((record) => ('data' in record ? record.data : record.type))
    : found.kind;

describe('answer', () => {
  it.each([
    ['reviews', ['10.96.0.7']],
    ['reviews.default', ['10.96.0.7']],
    ['reviews.default.svc', ['10.96.0.7']],
    ['reviews.default.svc.cluster.local', ['10.96.0.7']],
    ['reviews.default.svc.cluster.local.', ['10.96.0.7']],
    ['REVIEWS.Default.svc.Cluster.Local', ['10.96.0.7']],
    ['ratings', 'forward'],
    ['ratings.other.svc', ['10.96.0.8']],
    // Somebody declared this very name.
    ['ratings.other', ['240.240.0.4']],
    ['reviews.default.default.svc.cluster.local', 'forward'],
    ['api.example.com', ['240.240.0.1']],
    ['x.example.com', ['240.240.0.2']],
    ['y.x.example.com', ['240.240.0.2']],
    ['x.b.example.com', ['240.240.0.3']],
    ['b.example.com', ['240.240.0.2']],
    ['example.com', 'forward'],
    // Ranges are no address, and `*` would swallow the world.
    ['wide.example.org', 'forward'],
    ['unknown.test', 'forward'],
    ['', 'forward'],
  ])('%s is %j', (name, expected) => expect(addresses(ask(name))).toEqual(expected));

  it('gives the family that was asked for, and no record rather than no name for the other', () => {
    expect(addresses(ask('dual', 'AAAA'))).toEqual(['fd00::9']);
    expect(addresses(ask('dual', 'A'))).toEqual(['10.96.0.9']);
    expect(addresses(ask('dual', 'ANY' as 'A'))).toEqual(['10.96.0.9', 'fd00::9']);
    const found = ask('reviews', 'AAAA');
    expect(found).toMatchObject({ kind: 'reply', why: 'no-such-record' });
    expect(found.kind === 'reply' ? decode(found.bytes) : undefined).toMatchObject({
      rcode: 'NOERROR',
      answers: [],
      flag_aa: true,
    });
  });
  it('leaves other kinds of records to name servers', () => {
    expect(ask('reviews', 'SRV')).toMatchObject({ kind: 'forward', known: true });
    expect(ask('elsewhere.test', 'TXT')).toMatchObject({ kind: 'forward', known: false });
  });
  it('leaves other classes to name servers', () => {
    const chaos = encode({ type: 'query', id: 5, questions: [{ type: 'A', name: 'reviews', class: 'CH' }] });
    expect(answer(chaos, TABLE, { ttlSeconds: 30, transport: 'udp' })).toMatchObject({ kind: 'forward', known: false });
  });
  it('has a time to live', () => {
    const found = ask('reviews');
    expect(found.kind === 'reply' ? decode(found.bytes).answers : []).toMatchObject([{ ttl: 30 }]);
  });
  it('sends all of a long list by TCP and what fits by UDP', () => {
    const table = buildNameTable(
      [service('many', 'default', ...Array.from({ length: 200 }, (_, i) => `10.0.0.${i}`))],
      'default',
    );
    const message = encode({ type: 'query', id: 5, questions: [{ type: 'A', name: 'many' }] });
    const size = (transport: 'udp' | 'tcp'): number | undefined => {
      const found = answer(message, table, { ttlSeconds: 30, transport });
      return found.kind === 'reply' ? decode(found.bytes).answers?.length : undefined;
    };
    expect(size('tcp')).toBe(200);
    expect(size('udp')).toBeLessThan(32);
  });
  it('says nothing to what is no question', () => {
    expect(answer(Buffer.alloc(3), TABLE, { ttlSeconds: 30, transport: 'udp' })).toEqual({ kind: 'drop' });
  });
});

describe('answerAlone', () => {
  const rcode = (name: string, type: Question['type'] = 'A'): string => {
    const found = ask(name, type);
    if (found.kind !== 'forward') throw new Error(found.kind);
    return (decode(answerAlone(found, 'cluster.local')) as { rcode?: string }).rcode ?? '';
  };
  it('denies names only where the mesh would know them', () => {
    expect(rcode('nobody.default.svc.cluster.local')).toBe('NXDOMAIN');
    expect(rcode('cluster.local')).toBe('NXDOMAIN');
    expect(rcode('notcluster.local')).toBe('SERVFAIL');
    expect(rcode('www.example.net')).toBe('SERVFAIL');
    expect(rcode('reviews', 'SRV')).toBe('NOERROR');
  });
});

describe('addresses of version 6', () => {
  it('are written as the system writes them', () => {
    fc.assert(
      fc.property(fc.ipV6(), (ip) => {
        if (!isIPv6(ip)) return;
        const [record] = buildNameTable([{ host: 'h', ips: [ip] }], '').find('h') ?? [];
        const url = new URL(`http://[${ip}]/`).hostname.slice(1, -1);
        const groups =
          Buffer.from(record?.bytes ?? [])
            .toString('hex')
            .match(/.{4}/g) ?? [];
        expect(new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)).toBe(url);
      }),
    );
  });
});
