import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildRedirectPlan, type RedirectPlanInput } from '../plan/redirect-plan.ts';
import { buildRules } from './build-rules.ts';
import { captureTexts } from './capture-texts.ts';
import { iptablesText, iptablesUndoText } from './iptables.ts';
import { decide, type Packet } from '../testing/rule-walk.ts';

const CASES: Readonly<Record<string, RedirectPlanInput>> = {
  plain: { proxy: { uid: 1337, gid: 1337 } },
  marked: { proxy: { mark: 1337 }, dnsPort: 15_053, ipv6: true },
  chosen: {
    proxy: { uid: 1337 },
    dnsPort: 15_053,
    includeOutboundCidrs: ['10.0.0.0/8', '192.168.0.0/16'],
    excludeOutboundCidrs: ['10.1.0.0/16', '2001:db8::/32'],
    includeOutboundPorts: [443],
    excludeOutboundPorts: [3306, 25],
    includeInboundPorts: [9080, 80],
    excludeInboundPorts: [9090],
    excludeInterfaces: ['eth1'],
  },
};

describe('rules as text', () => {
  it.each(Object.entries(CASES))('%s', async (name, input) => {
    const plan = buildRedirectPlan(input);
    for (const family of plan.families) {
      const { iptables, iptablesUndo, nft, nftUndo } = captureTexts(plan, family);
      const file = new URL(`./testdata/${name}.${family}`, import.meta.url).pathname;
      await expect(iptables).toMatchFileSnapshot(`${file}.iptables`);
      await expect(iptablesUndo).toMatchFileSnapshot(`${file}.undo.iptables`);
      await expect(nft).toMatchFileSnapshot(`${file}.nft`);
      await expect(nftUndo).toMatchFileSnapshot(`${file}.undo.nft`);
    }
  });
});

const port = fc.integer({ min: 1, max: 65_535 });
const somePorts = fc.array(fc.constantFrom(80, 443, 3306, 9080), { maxLength: 3 });
const someCidrs = fc.subarray(['10.0.0.0/8', '10.1.0.0/16', '192.168.0.0/16', '0.0.0.0/0']);
const input: fc.Arbitrary<RedirectPlanInput> = fc.record(
  {
    proxy: fc.constantFrom({ uid: 1337 }, { gid: 1337 }, { mark: 1337 }, { uid: 1337, gid: 1337, mark: 1337 }),
    dnsPort: fc.constant(15_053),
    includeOutboundCidrs: someCidrs,
    excludeOutboundCidrs: someCidrs,
    includeOutboundPorts: somePorts,
    excludeOutboundPorts: somePorts,
    includeInboundPorts: fc.oneof(fc.constant('all' as const), somePorts),
    excludeInboundPorts: somePorts,
    excludeInterfaces: fc.subarray(['eth1']),
  },
  { requiredKeys: ['proxy'] },
);
const packet: fc.Arbitrary<Packet> = fc.record({
  interface: fc.constantFrom('lo', 'eth0', 'eth1'),
  protocol: fc.constantFrom('tcp' as const, 'udp' as const),
  source: fc.constantFrom('127.0.0.1', '127.0.0.6', '10.244.1.2'),
  destination: fc.constantFrom('127.0.0.1', '10.244.1.2', '10.1.2.3', '192.168.1.1', '8.8.8.8'),
  sourcePort: port,
  destinationPort: fc.oneof(fc.constantFrom(53, 80, 443, 3306, 9080, 15_006, 15_021), port),
  owner: fc.constantFrom('proxy' as const, 'application' as const),
});

describe('rules', () => {
  const property = (check: (input: RedirectPlanInput, packet: Packet) => void): void =>
    fc.assert(fc.property(input, packet, check), { numRuns: 500 });
  const rulesOf = (from: RedirectPlanInput): ReturnType<typeof buildRules> =>
    buildRules(buildRedirectPlan(from), 'ipv4');

  it('never send the proxy to its own outbound port or to its own DNS', () =>
    property((from, sent) => {
      const verdict = decide(rulesOf(from).outbound, { ...sent, owner: 'proxy' });
      expect([15_001, 15_053]).not.toContain(verdict);
    }));
  it('send UDP nowhere but to DNS', () =>
    property((from, sent) => {
      const verdict = decide(rulesOf(from).outbound, { ...sent, protocol: 'udp' });
      expect([undefined, ...(from.dnsPort !== undefined && sent.destinationPort === 53 ? [15_053] : [])]).toContain(
        verdict,
      );
      expect(decide(rulesOf(from).inbound, { ...sent, protocol: 'udp' })).toBeUndefined();
    }));
  it('leave the application’s calls to itself alone', () =>
    property((from, sent) => {
      const own = { ...sent, owner: 'application', interface: 'lo', protocol: 'tcp' } as const;
      expect(decide(rulesOf(from).outbound, own)).toBe(
        from.dnsPort !== undefined && sent.destinationPort === 53 && sent.source !== '127.0.0.6' ? 15_053 : undefined,
      );
    }));
  it('leave everything from the inbound address over lo alone', () =>
    property((from, sent) => {
      expect(decide(rulesOf(from).outbound, { ...sent, interface: 'lo', source: '127.0.0.6' })).toBeUndefined();
    }));
  it('capture all other TCP of the application, unless it is left out', () =>
    property((from, sent) => {
      const tcp = { ...sent, owner: 'application', interface: 'eth0', source: '10.244.1.2', protocol: 'tcp' } as const;
      const plain = { proxy: from.proxy };
      const expected = tcp.destination === '127.0.0.1' ? undefined : 15_001;
      expect(decide(rulesOf(plain).outbound, tcp)).toBe(expected);
    }));
  it('never redirect inbound what the sidecar serves itself', () =>
    property((from, sent) => {
      for (const destinationPort of [15_000, 15_001, 15_006, 15_020, 15_021, 15_053, 15_090])
        expect(decide(rulesOf(from).inbound, { ...sent, protocol: 'tcp', destinationPort })).toBeUndefined();
    }));
  it('are undone line by line: whatever is made is taken away, and nothing else', () =>
    property((from) => {
      const made = iptablesText(rulesOf(from));
      const chains = [...made.matchAll(/^:(\S+)/gm)].map(([, chain]) => chain);
      const undone = iptablesUndoText(made);
      expect([...undone.matchAll(/^-X (\S+)$/gm)].map(([, chain]) => chain)).toEqual(chains);
      expect(undone.match(/^-D /gm)).toHaveLength(made.match(/^-A (?:PREROUTING|OUTPUT) /gm)?.length ?? 0);
      expect(iptablesUndoText('*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j OTHER\nCOMMIT\n')).toBe('');
    }));
  it('of another plan replace those of the former one, wherever it had some', () =>
    property((from) => {
      const former = iptablesText(rulesOf({ ...from, dnsPort: 15_053 }));
      const next = iptablesText(rulesOf({ proxy: from.proxy }), former);
      // The chains for DNS are emptied, not forgotten.
      expect(next).toContain(':WEFT_TRACK_OUTPUT - [0:0]');
      expect(next).not.toContain('-A WEFT_TRACK_OUTPUT');
      expect(next).not.toMatch(/^-A (?:PREROUTING|OUTPUT) /m);
    }));
});
