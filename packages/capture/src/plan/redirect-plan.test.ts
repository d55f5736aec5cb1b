import { describe, expect, it } from 'vitest';
import { parseCidr } from './cidr.ts';
import { buildRedirectPlan, type RedirectPlanInput } from './redirect-plan.ts';

const proxy = { mark: 1337 };

describe('buildRedirectPlan', () => {
  it('captures everything but what the sidecar serves itself, when nothing else is said', () => {
    expect(buildRedirectPlan({ proxy })).toEqual({
      families: ['ipv4'],
      proxy,
      outboundPort: 15_001,
      inboundPort: 15_006,
      dnsPort: undefined,
      outbound: {
        includeCidrs: [parseCidr('0.0.0.0/0', ''), parseCidr('::/0', '')],
        excludeCidrs: [],
        includePorts: [],
        excludePorts: [],
      },
      inbound: { includePorts: 'all', excludePorts: [15_000, 15_001, 15_006, 15_020, 15_021, 15_053, 15_090] },
      excludeInterfaces: [],
    });
  });
  it('leaves out capture ports that were moved, too', () => {
    const plan = buildRedirectPlan({ proxy, outboundPort: 1, inboundPort: 2, dnsPort: 3, ownPorts: [9] });
    expect(plan.inbound.excludePorts).toEqual([1, 2, 3, 9]);
  });
  it.each<[what: string, input: Partial<RedirectPlanInput>, where: string, message: RegExp]>([
    ['nobody is the proxy', { proxy: {} }, 'proxy', /its own calls would come back to it/],
    ['a mark is that of unmarked packets', { proxy: { mark: 0 } }, 'proxy.mark', /0 is not a whole number from 1/],
    ['a user is negative', { proxy: { uid: -1 } }, 'proxy.uid', /-1 is not/],
    ['a group is a fraction', { proxy: { gid: 1.5 } }, 'proxy.gid', /1\.5 is not/],
    ['a port is too large', { excludeInboundPorts: [65_536] }, 'excludeInboundPorts', /65536 is not a port/],
    ['a port is no number', { dnsPort: Number.NaN }, 'dnsPort', /NaN is not a port/],
    ['one port is for two things', { inboundPort: 15_001 }, 'inboundPort', /15001 is used twice/],
    [
      'a range is none',
      { includeOutboundCidrs: ['10.0.0/8'] },
      'includeOutboundCidrs',
      /"10\.0\.0\/8" is no address range/,
    ],
    ['a prefix is too long', { excludeOutboundCidrs: ['10.0.0.0/33'] }, 'excludeOutboundCidrs', /no address range/],
    [
      'a range brings a rule along',
      { excludeOutboundCidrs: ['10.0.0.0/8 -j ACCEPT'] },
      'excludeOutboundCidrs',
      /no address/,
    ],
    [
      'an interface ends the rule',
      { excludeInterfaces: ['eth0\n-F'] },
      'excludeInterfaces',
      /no name of a network interface/,
    ],
    ['an interface is a pattern', { excludeInterfaces: ['eth+'] }, 'excludeInterfaces', /no name/],
  ])('refuses a plan when %s', (_, input, where, message) => {
    expect(() => buildRedirectPlan({ proxy, ...input })).toThrow(
      expect.objectContaining({ code: 'WEFT_CAPTURE_PLAN', where, message: expect.stringMatching(message) as string }),
    );
  });
});

describe('parseCidr', () => {
  it.each([
    ['10.1.2.3', 'ipv4', '10.1.2.3/32'],
    ['10.0.0.0/8', 'ipv4', '10.0.0.0/8'],
    ['::1', 'ipv6', '::1/128'],
    ['2001:db8::/32', 'ipv6', '2001:db8::/32'],
  ])('takes %s as %s %s', (text, family, expected) =>
    expect(parseCidr(text, 'x')).toMatchObject({ family, text: expected }),
  );
  it.each(['', '/', '10.0.0.1/', '10.0.0.1/-1', '10.0.0.1/8/8', '10.0.0.1/+8', 'fe80::1%eth0/64', '::/129', 'a/8'])(
    'refuses "%s"',
    (text) => expect(() => parseCidr(text, 'field')).toThrow(/^field: /),
  );
});
