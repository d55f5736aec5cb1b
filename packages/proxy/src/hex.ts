// Hexadecimal digits of random words; Number.toString(16) costs several times as much, and every request needs some.

const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

const byteHex = (byte: number): string => BYTES[byte & 0xff] ?? '00';

/** The low 16 bits as four digits. */
export const hex16 = (n: number): string => byteHex(n >>> 8) + byteHex(n);

/** The low 32 bits as eight digits. */
export const hex32 = (n: number): string => hex16(n >>> 16) + hex16(n);
