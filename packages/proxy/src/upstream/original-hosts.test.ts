import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { TimerQueue } from '../timers/timer-queue.ts';
import type { Host } from './host.ts';
import { OriginalHosts } from './original-hosts.ts';

function setup(maxHosts = 8, header = '', port?: number) {
  const clock = new FakeClock();
  const forgotten: string[] = [];
  const timers = new TimerQueue(clock);
  const hosts = new OriginalHosts(
    { header, port, cleanupMs: 5_000 },
    {
      timers,
      isOwnListener: (address, port) => address === '127.0.0.1' && port === 15_001,
      onForgotten: (host: Host) => forgotten.push(host.name),
    },
    maxHosts,
  );
  const to = (localAddress: string, localPort = 80, redirected = true): Host | undefined =>
    hosts.hostFor({ localAddress, localPort, redirected }, '');
  return { clock, timers, hosts, forgotten, to };
}

describe('the hosts of an ORIGINAL_DST cluster', () => {
  it('are where clients were going, one per address', () => {
    const { hosts, to } = setup();
    const first = to('192.0.2.7');
    expect(first?.name).toBe('192.0.2.7:80');
    expect(to('192.0.2.7')).toBe(first);
    expect(to('192.0.2.7', 81)).not.toBe(first);
    expect(hosts.hosts).toHaveLength(2);
  });

  it('are not this proxy itself, nor anything for clients that dialled it', () => {
    const { hosts, to } = setup();
    expect(to('127.0.0.1', 15_001)).toBeUndefined();
    expect(to('192.0.2.7', 80, false)).toBeUndefined();
    expect([hosts.loops, hosts.hosts.length]).toEqual([1, 0]);
  });

  it('are what a header names, where that is asked for and valid', () => {
    const { hosts } = setup(8, 'x-envoy-original-dst-host');
    const connection = { localAddress: '192.0.2.7', localPort: 80, redirected: true };
    expect(hosts.hostFor(connection, '192.0.2.9:81')?.name).toBe('192.0.2.9:81');
    expect(hosts.hostFor(connection, '[2001:db8::1]:81')?.name).toBe('[2001:db8::1]:81');
    for (const bad of ['example.com:80', '192.0.2.9', '192.0.2.9:0', '192.0.2.9:70000', ':80'])
      expect([bad, hosts.hostFor(connection, bad)?.name]).toEqual([bad, '192.0.2.7:80']);
    expect(hosts.invalid).toBe(5);
    // A header may not lead back here either.
    expect(hosts.hostFor(connection, '127.0.0.1:15001')).toBeUndefined();
  });

  it('are at the port that the cluster names, whoever asks, but not on this proxy', () => {
    const { hosts, to } = setup(8, 'x-envoy-original-dst-host', 15_001);
    expect(to('192.0.2.7')?.name).toBe('192.0.2.7:15001');
    expect(to('192.0.2.7', 81)).toBe(to('192.0.2.7', 82));
    const connection = { localAddress: '192.0.2.7', localPort: 80, redirected: true };
    expect(hosts.hostFor(connection, '192.0.2.9:81')?.name).toBe('192.0.2.9:15001');
    expect(to('127.0.0.1', 80)).toBeUndefined();
    expect(hosts.loops).toBe(1);
  });

  it('are forgotten when nobody went there for a while, and nothing is left running', () => {
    const { clock, timers, hosts, forgotten, to } = setup();
    const busy = to('192.0.2.1');
    if (busy) busy.activeRequests = 1;
    to('192.0.2.2');
    clock.advance(11_000);
    expect(forgotten).toEqual(['192.0.2.2:80']);
    if (busy) busy.activeRequests = 0;
    clock.advance(20_000);
    expect([hosts.hosts.length, timers.size]).toEqual([0, 0]);
  });

  it('are bounded: the longest unused one makes room, busy ones do not', () => {
    const { hosts, forgotten, to } = setup(2);
    to('192.0.2.1');
    to('192.0.2.2');
    to('192.0.2.1');
    to('192.0.2.3');
    expect(forgotten).toEqual(['192.0.2.2:80']);
    for (const host of hosts.hosts) host.activeRequests = 1;
    expect(to('192.0.2.4')).toBeUndefined();
    expect(hosts.overflows).toBe(1);
  });
});
