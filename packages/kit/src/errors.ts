export interface WeftErrorOptions extends ErrorOptions {
  /** What the user should do, as an imperative sentence or a command to paste. */
  readonly fix?: string;
  /** File, field, resource or address that the error is about. */
  readonly where?: string;
}

/** A broken promise with a stable code. Expected failures are values, not errors. */
export class WeftError extends Error {
  override readonly name: string = 'WeftError';
  readonly code: string;
  readonly fix: string | undefined;
  readonly where: string | undefined;

  /** @param code stable, upper case with underscores, listed in docs/errors.md. */
  constructor(code: string, message: string, options: WeftErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fix = options.fix;
    this.where = options.where;
  }
}

/** One line for a log or a NACK: the message and those of its causes. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `: ${errorMessage(error.cause)}`;
  return `${error.message}${cause}`;
}

/** The `code` of a system or Weft error, when it has one. */
export function errorCode(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
