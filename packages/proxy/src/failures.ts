// What the proxy itself answers: one row per reason of contracts, with the response flag as a bit.
import { type Reason, type ReasonCode, REASONS } from '@weft/contracts';
import { FLAG_NAMES, type FlagName, flagBit, type FlagSet, NO_FLAGS } from './response-flags.ts';

export interface LocalReply {
  readonly status: number;
  readonly flags: FlagSet;
  readonly details: string;
  readonly body: string;
  /** No byte of the request reached the application. */
  readonly unprocessed: boolean;
}

const isFlagName = (flag: string): flag is FlagName => (FLAG_NAMES as readonly string[]).includes(flag);

const toReply = ({ status, flag, details, text, unprocessed }: Reason): LocalReply => ({
  status,
  flags: isFlagName(flag) ? flagBit(flag) : NO_FLAGS,
  details,
  body: text,
  unprocessed,
});

const REPLIES: ReadonlyMap<ReasonCode, LocalReply> = new Map(
  (Object.keys(REASONS) as ReasonCode[]).map((code) => [code, toReply(REASONS[code])]),
);
const FALLBACK: LocalReply = toReply(REASONS['upstream-reset']);

export const localReply = (reason: ReasonCode): LocalReply => REPLIES.get(reason) ?? FALLBACK;

/** A reason that another proxy of the mesh sent. */
export const knownReason = (text: string): ReasonCode | undefined =>
  REPLIES.has(text as ReasonCode) ? (text as ReasonCode) : undefined;
