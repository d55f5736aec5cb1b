// What of gRPC a proxy has to know: which requests are gRPC, how calls ended, how long they may take.

/** `application/grpc` with or without a message format; gRPC-Web is another protocol. */
export const isGrpcType = (contentType: string | undefined): boolean =>
  contentType !== undefined &&
  contentType.startsWith('application/grpc') &&
  (contentType.length === 16 || contentType[16] === '+' || contentType[16] === ';');

/** Statuses end at 16; records and metrics know two more. */
export const NOT_GRPC = -1;
export const NO_GRPC_STATUS = 17;
const UNKNOWN = 2;

/** @returns NO_GRPC_STATUS when there is none. */
export function readGrpcStatus(text: string | undefined): number {
  if (text === undefined) return NO_GRPC_STATUS;
  return /^\d{1,2}$/.test(text) && Number(text) <= 16 ? Number(text) : UNKNOWN;
}

/** Percent-encodes UTF-8 for `grpc-message`: all but printable ASCII, and the percent sign itself. */
export const grpcMessage = (utf8: Uint8Array): string =>
  Array.from(utf8, (byte) =>
    byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };

/** `grpc-timeout` in milliseconds, at least 1 (gRPC over HTTP/2: eight digits and a unit). @returns undefined when absent or malformed. */
export function parseGrpcTimeout(text: string | undefined): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text ?? '') ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  return Math.max(1, Math.ceil(Number(digits) * (UNIT_MS[unit] ?? 1)));
}

/** Deadlines that callers count down are all different; what waits for many of them wants few. Rounds up, by less than 5 %. */
export function coarse(durationMs: number): number {
  if (durationMs <= 100) return Math.ceil(durationMs / 5) * 5;
  const step = 10 ** Math.floor(Math.log10(durationMs)) / 20;
  return Math.ceil(durationMs / step) * step;
}
