import { isIPv4, isIPv6 } from 'node:net';
import { WeftError } from '@weft/kit';

export type Family = 'ipv4' | 'ipv6';

/** A range of addresses as rules write it. */
export interface Cidr {
  readonly family: Family;
  /** `10.0.0.0/8`: the prefix is always there. */
  readonly text: string;
  /** 0–32 or 0–128. */
  readonly prefix: number;
}

/**
 * Takes `10.0.0.0/8` and single addresses.
 * @param where the field, for the error.
 * @throws {WeftError} WEFT_CAPTURE_PLAN.
 */
export function parseCidr(text: string, where: string): Cidr {
  const [address = '', prefixText, ...rest] = text.split('/');
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) && !address.includes('%') ? 'ipv6' : undefined;
  if (family === undefined || rest.length > 0) throw refused(text, where);
  const bits = family === 'ipv4' ? 32 : 128;
  if (prefixText === undefined) return { family, text: `${address}/${bits}`, prefix: bits };
  const prefix = Number(prefixText);
  if (!/^\d{1,3}$/.test(prefixText) || prefix > bits) throw refused(text, where);
  return { family, text: `${address}/${prefix}`, prefix };
}

const refused = (text: string, where: string): WeftError =>
  new WeftError('WEFT_CAPTURE_PLAN', `${where}: "${text}" is no address range`, {
    where,
    fix: 'Write an address with the length of its prefix, such as 10.0.0.0/8.',
  });
