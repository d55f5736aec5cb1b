/** Rules as text for `nft -f -`: one table of our own for each address family, replaced as a whole. */
import type { Family } from '../plan/cidr.ts';
import { HOOKS, type Except, type Hook, type Rule, type RuleSet } from './rule.ts';

export const NFT_TABLE = 'weft_capture';

const FAMILY: Readonly<Record<Family, 'ip' | 'ip6'>> = { ipv4: 'ip', ipv6: 'ip6' };

/** The priorities of raw and destination NAT; `output` has no name for the latter. */
const CHAINS: Readonly<Record<Hook, { readonly name: string; readonly place: string }>> = {
  trackInbound: { name: 'track_inbound', place: 'type filter hook prerouting priority -300; policy accept;' },
  trackOutbound: { name: 'track_output', place: 'type filter hook output priority -300; policy accept;' },
  inbound: { name: 'inbound', place: 'type nat hook prerouting priority -100; policy accept;' },
  outbound: { name: 'output', place: 'type nat hook output priority -100; policy accept;' },
};

/** In one transaction: a packet meets the former rules or these. */
export function nftText(rules: RuleSet, family: Family): string {
  const chains = HOOKS.filter((hook) => rules[hook].length > 0).map((hook) =>
    [
      `\tchain ${CHAINS[hook].name} {`,
      `\t\t${CHAINS[hook].place}`,
      ...rules[hook].map((rule) => `\t\t${nftRule(rule, FAMILY[family])}`),
      '\t}',
    ].join('\n'),
  );
  return `${nftUndoText(family)}table ${FAMILY[family]} ${NFT_TABLE} {\n${chains.join('\n\n')}\n}\n`;
}

/** Harmless when there is nothing: the table is made first, so that it can be deleted. */
export function nftUndoText(family: Family): string {
  const table = `${FAMILY[family]} ${NFT_TABLE}`;
  return `table ${table}\ndelete table ${table}\n`;
}

function nftRule(rule: Rule, family: 'ip' | 'ip6'): string {
  const { protocol, owner, verdict } = rule;
  const one = (name: string, value: Except<string | number> | undefined): readonly string[] =>
    value === undefined ? [] : [name, ...(value.not === true ? ['!='] : []), String(value.is)];
  const quoted = (value: Except<string> | undefined): Except<string> | undefined =>
    value === undefined ? undefined : { ...value, is: `"${value.is}"` };
  const cidr = (value: Rule['source']): Except<string> | undefined =>
    value === undefined ? undefined : { ...value, is: value.is.text };
  const ports =
    protocol === undefined
      ? []
      : [...one(`${protocol} sport`, rule.sourcePort), ...one(`${protocol} dport`, rule.destinationPort)];
  return [
    ...one('iifname', quoted(rule.inInterface)),
    ...one('oifname', quoted(rule.outInterface)),
    ...one(`${family} saddr`, cidr(rule.source)),
    ...one(`${family} daddr`, cidr(rule.destination)),
    ...(protocol !== undefined && ports.length === 0 ? [`meta l4proto ${protocol}`] : ports),
    ...(owner === undefined ? [] : [`meta ${{ uid: 'skuid', gid: 'skgid', mark: 'mark' }[owner.by]} ${owner.id}`]),
    verdict.do === 'accept' ? 'accept' : verdict.do === 'untrack' ? 'notrack' : `redirect to :${verdict.port}`,
  ].join(' ');
}
