/** Rules as text for `iptables-restore --noflush`: chains of our own, and one jump to each from a built-in chain. */
import { HOOKS, type Except, type Hook, type Rule, type RuleSet } from './rule.ts';

interface Place {
  readonly table: 'raw' | 'nat';
  readonly builtIn: 'PREROUTING' | 'OUTPUT';
  readonly chain: string;
}

const OURS = 'WEFT';
const PLACES: Readonly<Record<Hook, Place>> = {
  trackInbound: { table: 'raw', builtIn: 'PREROUTING', chain: `${OURS}_TRACK_INBOUND` },
  trackOutbound: { table: 'raw', builtIn: 'OUTPUT', chain: `${OURS}_TRACK_OUTPUT` },
  inbound: { table: 'nat', builtIn: 'PREROUTING', chain: `${OURS}_INBOUND` },
  outbound: { table: 'nat', builtIn: 'OUTPUT', chain: `${OURS}_OUTPUT` },
};
const TABLES = ['raw', 'nat'] as const;

const jump = ({ builtIn, chain }: Place): string => `${builtIn} -j ${chain}`;

/**
 * @param present what `iptables-save` says now: jumps that are there are not made again, so that a second run changes
 * nothing. Chains are emptied and filled in one step.
 */
export function iptablesText(rules: RuleSet, present = ''): string {
  const lines = linesOf(present);
  return text((table) => {
    const places = HOOKS.filter((hook) => PLACES[hook].table === table && isWanted(rules, hook, lines));
    return [
      ...places.map((hook) => `:${PLACES[hook].chain} - [0:0]`),
      ...places.flatMap((hook) => rules[hook].map((rule) => `-A ${PLACES[hook].chain} ${iptablesRule(rule)}`)),
      ...places.flatMap((hook) => (lines.has(`-A ${jump(PLACES[hook])}`) ? [] : [`-A ${jump(PLACES[hook])}`])),
    ];
  });
}

/** A chain that another plan left is emptied, though this one has nothing for it. */
const isWanted = (rules: RuleSet, hook: Hook, present: ReadonlySet<string>): boolean =>
  rules[hook].length > 0 || present.has(`-A ${jump(PLACES[hook])}`);

/**
 * Takes away what `iptablesText` made.
 * @param present what `iptables-save` says now; only what is there can be taken away. Empty text: nothing is.
 */
export function iptablesUndoText(present: string): string {
  const lines = linesOf(present);
  return text((table) => {
    const places = Object.values(PLACES).filter((place) => place.table === table && hasChain(lines, place));
    return [
      ...places.flatMap((place) => (lines.has(`-A ${jump(place)}`) ? [`-D ${jump(place)}`] : [])),
      ...places.map(({ chain }) => `-F ${chain}`),
      ...places.map(({ chain }) => `-X ${chain}`),
    ];
  });
}

const text = (linesFor: (table: Place['table']) => readonly string[]): string =>
  TABLES.map((table) => {
    const lines = linesFor(table);
    return lines.length === 0 ? '' : [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
  }).join('');

/** `iptables-save -c` and counters of chains aside. */
const linesOf = (saved: string): ReadonlySet<string> => new Set(saved.split('\n').map((line) => line.trim()));

const hasChain = (lines: ReadonlySet<string>, { chain }: Place): boolean =>
  [...lines].some((line) => line.startsWith(`:${chain} `));

function iptablesRule(rule: Rule): string {
  const { protocol, owner, verdict } = rule;
  const one = (flag: string, value: Except<string | number> | undefined): readonly string[] =>
    value === undefined ? [] : [...(value.not === true ? ['!'] : []), flag, String(value.is)];
  const cidr = (flag: string, value: Rule['source']): readonly string[] =>
    value === undefined ? [] : [...(value.not === true ? ['!'] : []), flag, value.is.text];
  const ports = [...one('--sport', rule.sourcePort), ...one('--dport', rule.destinationPort)];
  return [
    ...one('-i', rule.inInterface),
    ...one('-o', rule.outInterface),
    ...cidr('-s', rule.source),
    ...cidr('-d', rule.destination),
    ...(protocol === undefined ? [] : ['-p', protocol]),
    ...(protocol === undefined || ports.length === 0 ? [] : ['-m', protocol, ...ports]),
    ...(owner === undefined
      ? []
      : owner.by === 'mark'
        ? ['-m', 'mark', '--mark', String(owner.id)]
        : ['-m', 'owner', `--${owner.by}-owner`, String(owner.id)]),
    ...(verdict.do === 'accept'
      ? ['-j', 'RETURN']
      : verdict.do === 'untrack'
        ? ['-j', 'CT', '--notrack']
        : ['-j', 'REDIRECT', '--to-ports', String(verdict.port)]),
  ].join(' ');
}
