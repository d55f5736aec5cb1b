import { describe, expect, it } from 'vitest';
import { host } from '../test-support/hosts.ts';
import { type HostVerdict, VerdictBook, VerdictTeller } from './host-verdicts.ts';

const IN = { ejected: false, checkFailed: false, checkPending: false };

describe('verdicts on hosts', () => {
  it('are told when they change, and of hosts that come and go', () => {
    const told: HostVerdict[] = [];
    const teller = new VerdictTeller('c', (verdict) => told.push(verdict));
    const [a, b] = [host(1), host(2)];
    teller.tell(new Map([[a.name, a]]));
    a.ejected = true;
    teller.tell(new Map([a, b].map((one) => [one.name, one])));
    teller.tell(new Map([a, b].map((one) => [one.name, one])));
    teller.tell(new Map([[b.name, b]]));
    expect(told).toEqual([
      { cluster: 'c', host: a.name, out: IN },
      { cluster: 'c', host: a.name, out: { ...IN, ejected: true } },
      { cluster: 'c', host: b.name, out: IN },
      { cluster: 'c', host: a.name, out: undefined },
    ]);
  });

  it('are kept for hosts that a follower gets later', () => {
    const book = new VerdictBook();
    expect(book.of('c', '1', true)).toEqual(IN);
    book.take({ cluster: 'c', host: '1', out: { ...IN, checkFailed: true } });
    expect(book.of('c', '1', true)).toEqual({ ...IN, checkFailed: true });
    // Others have been checked; this one has not.
    expect(book.of('c', '2', true)).toEqual({ ...IN, checkPending: true });
    expect(book.of('c', '2', false)).toEqual(IN);
    book.take({ cluster: 'c', host: '1', out: undefined });
    expect(book.of('c', '1', true)).toEqual(IN);
  });
});
