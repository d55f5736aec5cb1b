import { INBOUND_SOURCE_ADDRESS } from '@weft/contracts';
import type { Cidr, Family } from '../plan/cidr.ts';
import type { ProxyOwner, RedirectPlan } from '../plan/redirect-plan.ts';
import { is, isNot, type Owner, type Rule, type RuleSet } from './rule.ts';

const DNS = 53;
const ACCEPT = { do: 'accept' } as const;

/** The sidecar's calls to its own application come from here, and so are not taken for calls of peers. */
const INBOUND_SOURCE: Readonly<Record<Family, Cidr>> = {
  ipv4: { family: 'ipv4', text: `${INBOUND_SOURCE_ADDRESS}/32`, prefix: 32 },
  ipv6: { family: 'ipv6', text: '::6/128', prefix: 128 },
};
const LOOPBACK: Readonly<Record<Family, Cidr>> = {
  ipv4: { family: 'ipv4', text: '127.0.0.1/32', prefix: 32 },
  ipv6: { family: 'ipv6', text: '::1/128', prefix: 128 },
};

/** Istio's semantics, for one address family. */
export function buildRules(plan: RedirectPlan, family: Family): RuleSet {
  const owners = ownersOf(plan.proxy);
  return {
    inbound: inboundRules(plan),
    outbound: outboundRules(plan, family, owners),
    ...untrackedDns(plan, owners),
  };
}

const ownersOf = (proxy: ProxyOwner): readonly Owner[] =>
  (['uid', 'gid', 'mark'] as const).flatMap((by) => {
    const id = proxy[by];
    return id === undefined ? [] : [{ by, id }];
  });

function inboundRules(plan: RedirectPlan): readonly Rule[] {
  const { includePorts, excludePorts } = plan.inbound;
  const verdict = { do: 'redirect', port: plan.inboundPort } as const;
  return [
    ...plan.excludeInterfaces.map((name): Rule => ({ inInterface: is(name), verdict: ACCEPT })),
    ...excludePorts.map((port): Rule => ({ protocol: 'tcp', destinationPort: is(port), verdict: ACCEPT })),
    ...(includePorts === 'all'
      ? [{ protocol: 'tcp', verdict } as const]
      : includePorts.map((port): Rule => ({ protocol: 'tcp', destinationPort: is(port), verdict }))),
  ];
}

function outboundRules(plan: RedirectPlan, family: Family, owners: readonly Owner[]): readonly Rule[] {
  const { includeCidrs, excludeCidrs, includePorts, excludePorts } = plan.outbound;
  const lo = is('lo');
  const redirect = { do: 'redirect', port: plan.outboundPort } as const;
  const notDns = plan.dnsPort === undefined ? {} : { destinationPort: isNot(DNS) };
  const ofFamily = (cidrs: readonly Cidr[]): readonly Cidr[] => cidrs.filter((cidr) => cidr.family === family);
  return [
    ...plan.excludeInterfaces.map((name): Rule => ({ outInterface: is(name), verdict: ACCEPT })),
    { outInterface: lo, source: is(INBOUND_SOURCE[family]), verdict: ACCEPT },
    // Proxy → address of its own workload: one of the endpoints that it balances over, so it comes in as from a peer.
    ...owners.map((owner): Rule => ({
      outInterface: lo,
      protocol: 'tcp',
      destination: isNot(LOOPBACK[family]),
      ...notDns,
      owner,
      verdict: { do: 'redirect', port: plan.inboundPort },
    })),
    ...owners.map((owner): Rule => ({ owner, verdict: ACCEPT })),
    ...dnsRedirects(plan.dnsPort),
    // From here on it is the application's: its calls to itself stay what they are.
    { outInterface: lo, protocol: 'tcp', verdict: ACCEPT },
    { destination: is(LOOPBACK[family]), verdict: ACCEPT },
    ...excludePorts.map((port): Rule => ({ protocol: 'tcp', destinationPort: is(port), verdict: ACCEPT })),
    ...ofFamily(excludeCidrs).map((cidr): Rule => ({ destination: is(cidr), verdict: ACCEPT })),
    ...includePorts.map((port): Rule => ({ protocol: 'tcp', destinationPort: is(port), verdict: redirect })),
    ...ofFamily(includeCidrs).map((cidr): Rule => ({
      protocol: 'tcp',
      ...(cidr.prefix === 0 ? {} : { destination: is(cidr) }),
      verdict: redirect,
    })),
  ];
}

const dnsRedirects = (port: number | undefined): readonly Rule[] =>
  port === undefined
    ? []
    : (['udp', 'tcp'] as const).map((protocol) => ({
        protocol,
        destinationPort: is(DNS),
        verdict: { do: 'redirect', port },
      }));

/**
 * The proxy's own questions and their answers stay out of connection tracking. Its socket may have the port that an
 * application asked the same name server from a moment ago; the tracked redirect of that would catch the proxy's too.
 */
function untrackedDns(plan: RedirectPlan, owners: readonly Owner[]): Pick<RuleSet, 'trackInbound' | 'trackOutbound'> {
  if (plan.dnsPort === undefined) return { trackInbound: [], trackOutbound: [] };
  const verdict = { do: 'untrack' } as const;
  return {
    trackInbound: [{ inInterface: isNot('lo'), protocol: 'udp', sourcePort: is(DNS), verdict }],
    trackOutbound: owners.map((owner) => ({
      outInterface: isNot('lo'),
      protocol: 'udp',
      destinationPort: is(DNS),
      owner,
      verdict,
    })),
  };
}
