/** Defaults of the certificate authority. Lifetimes are Istio's. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const DEFAULT_LEAF_TTL_MS: number = DAY_MS;
export const DEFAULT_MAX_LEAF_TTL_MS: number = 90 * DAY_MS;
export const DEFAULT_ROOT_TTL_MS: number = 3650 * DAY_MS;
/** Certificates begin this much before they are made, for peers whose clocks are behind. */
export const CLOCK_SKEW_MS = 120_000;

export const MAX_CSR_BYTES = 65_536;
export const MAX_TOKEN_BYTES = 16_384;
/** A bootstrap token may be valid for this long at most, from its issue to its end. */
export const MAX_TOKEN_LIFETIME_MS = 300_000;
/** Tokens may be this far ahead of our clock. */
export const TOKEN_CLOCK_SKEW_MS = 10_000;
/** Spent tokens are kept until they expire; above this many, new tokens are refused. */
export const MAX_SPENT_TOKENS = 100_000;

export const DEFAULT_TOKEN_ISSUER = 'weft-supervisor';
export const DEFAULT_TOKEN_AUDIENCE = 'weft-ca';
