// Byte classes of RFC 9110 §5.6 and RFC 9112, as tables.

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;

const table = (accepts: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (accepts(byte) ? 1 : 0));

const TOKEN_MARKS = "!#$%&'*+-.^_`|~";
const isAlphaNumeric = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);

/** For each byte of a field name: itself in lower case, or 0 where it may not stand in a token (RFC 9110 §5.6.2). */
export const TOKEN_LOWER: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x41 && byte <= 0x5a) return byte | 0x20;
  return isAlphaNumeric(byte) || TOKEN_MARKS.includes(String.fromCharCode(byte)) ? byte : 0;
});

/** What may stand in a field value: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). */
export const IS_VALUE: Uint8Array = table((byte) => byte === HTAB || (byte >= 0x20 && byte !== 0x7f));

/** What may stand in a request target: visible ASCII, no fragment. */
export const IS_TARGET: Uint8Array = table((byte) => byte > 0x20 && byte < 0x7f && byte !== 0x23);

/**
 * What may stand in a host name or an address outside brackets, without the colon. RFC 3986 §3.2.2 would also have `%`,
 * which one reader decodes and the next does not, and `,`, which is what two Host lines look like to who joined them.
 */
export const IS_HOST: Uint8Array = table(
  (byte) => isAlphaNumeric(byte) || (byte < 0x80 && "-._~!$&'()*+;=".includes(String.fromCharCode(byte))),
);
