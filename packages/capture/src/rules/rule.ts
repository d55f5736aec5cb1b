/** Rules as values, in the few words that both iptables and nftables have. */
import type { Cidr } from '../plan/cidr.ts';

export interface Rule {
  readonly inInterface?: Except<string>;
  readonly outInterface?: Except<string>;
  readonly protocol?: 'tcp' | 'udp';
  readonly source?: Except<Cidr>;
  readonly destination?: Except<Cidr>;
  /** With a protocol only. */
  readonly sourcePort?: Except<number>;
  readonly destinationPort?: Except<number>;
  readonly owner?: Owner;
  readonly verdict: Verdict;
}

/** A thing that a packet must have, or must not have. */
export interface Except<T> {
  readonly is: T;
  readonly not?: true;
}

export interface Owner {
  readonly by: 'uid' | 'gid' | 'mark';
  readonly id: number;
}

/** `accept` ends this walk through the table: the packet goes where it was going. */
export type Verdict =
  | { readonly do: 'accept' }
  | { readonly do: 'redirect'; readonly port: number }
  | { readonly do: 'untrack' };

/** Where the kernel asks. `track…` come before connection tracking, the others decide on the first packet of a connection. */
export type Hook = 'inbound' | 'outbound' | 'trackInbound' | 'trackOutbound';

export const HOOKS: readonly Hook[] = ['trackInbound', 'trackOutbound', 'inbound', 'outbound'];

export type RuleSet = Readonly<Record<Hook, readonly Rule[]>>;

export const is = <T>(value: T): Except<T> => ({ is: value });
export const isNot = <T>(value: T): Except<T> => ({ is: value, not: true });
