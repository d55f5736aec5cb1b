/** Walks rules as the kernel does, to ask what becomes of a packet without a kernel. */
import { BlockList } from 'node:net';
import type { Cidr } from '../plan/cidr.ts';
import type { Except, Rule } from '../rules/rule.ts';

export interface Packet {
  readonly interface: string;
  readonly protocol: 'tcp' | 'udp';
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly owner: 'proxy' | 'application';
}

/** @returns the port that it is redirected to; undefined when it goes on. */
export function decide(rules: readonly Rule[], packet: Packet): number | undefined {
  for (const rule of rules) {
    if (!matches(rule, packet)) continue;
    if (rule.verdict.do === 'redirect') return rule.verdict.port;
    if (rule.verdict.do === 'accept') return undefined;
  }
  return undefined;
}

const matches = (rule: Rule, packet: Packet): boolean =>
  one(rule.inInterface ?? rule.outInterface, (name) => name === packet.interface) &&
  (rule.protocol === undefined || rule.protocol === packet.protocol) &&
  one(rule.source, (cidr) => covers(cidr, packet.source)) &&
  one(rule.destination, (cidr) => covers(cidr, packet.destination)) &&
  one(rule.sourcePort, (port) => port === packet.sourcePort) &&
  one(rule.destinationPort, (port) => port === packet.destinationPort) &&
  (rule.owner === undefined || packet.owner === 'proxy');

const one = <T>(wanted: Except<T> | undefined, holds: (value: T) => boolean): boolean =>
  wanted === undefined || holds(wanted.is) !== (wanted.not === true);

function covers({ text, prefix, family }: Cidr, address: string): boolean {
  const list = new BlockList();
  list.addSubnet(text.split('/', 1)[0] ?? '', prefix, family);
  return list.check(address);
}
