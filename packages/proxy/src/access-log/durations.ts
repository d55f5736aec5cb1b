// Times of a request, in milliseconds since its first byte.
import type { RequestRecord } from '../request-record.ts';

type ReadNumber = (record: RequestRecord) => number | undefined;

const past = (ms: number): number | undefined => (ms < 0 ? undefined : ms);

/** Envoy's points of time, as far as they are measured. */
const POINTS: Readonly<Record<string, ReadNumber>> = {
  DS_RX_BEG: () => 0,
  DS_RX_END: ({ requestEndMs }) => past(requestEndMs),
  US_TX_BEG: ({ upstreamSentMs }) => past(upstreamSentMs),
  US_RX_BEG: ({ upstreamSentMs, upstreamMs }) =>
    upstreamSentMs < 0 || upstreamMs < 0 ? undefined : upstreamSentMs + upstreamMs,
  // What a connection takes is written when it comes: the last byte goes upstream with the request's last, or with its first.
  US_TX_END: ({ requestEndMs, upstreamSentMs }) =>
    requestEndMs < 0 || upstreamSentMs < 0 ? undefined : Math.max(requestEndMs, upstreamSentMs),
  // The head of an answer is written when it comes, too.
  DS_TX_BEG: ({ upstreamSentMs, upstreamMs }) =>
    upstreamSentMs < 0 || upstreamMs < 0 ? undefined : upstreamSentMs + upstreamMs,
  DS_TX_END: ({ durationMs }) => durationMs,
};
const KNOWN_POINTS = new Set([...Object.keys(POINTS), 'US_CX_BEG', 'US_CX_END', 'US_HS_END', 'US_RX_END']);
const PER_MS: Readonly<Record<string, number>> = { ms: 1, us: 1_000, ns: 1_000_000 };

const between =
  (from: string, to: string, perMs = 1): ReadNumber =>
  (record) => {
    const [a, b] = [POINTS[from]?.(record), POINTS[to]?.(record)];
    return a === undefined || b === undefined ? undefined : Math.round((b - a) * perMs);
  };

export const DURATIONS: Readonly<Record<string, ReadNumber>> = {
  DURATION: ({ durationMs }) => Math.round(durationMs),
  REQUEST_DURATION: between('DS_RX_BEG', 'DS_RX_END'),
  RESPONSE_DURATION: between('DS_RX_BEG', 'US_RX_BEG'),
  RESPONSE_TX_DURATION: between('US_RX_BEG', 'DS_TX_END'),
  // Writes are not waited for: the last byte goes upstream when it has come.
  REQUEST_TX_DURATION: between('DS_RX_BEG', 'DS_RX_END'),
};

/** `COMMON_DURATION(START:END:PRECISION)`. @returns undefined when it is not written so. */
export function commonDuration(argument: string): ReadNumber | undefined {
  const [from = '', to = '', precision = 'ms'] = argument.split(':');
  const perMs = PER_MS[precision];
  if (perMs === undefined || !KNOWN_POINTS.has(from) || !KNOWN_POINTS.has(to)) return undefined;
  return between(from, to, perMs);
}
