import type { DiagnosticView, ErrorBody } from '@weft/contracts/console-views';

export interface ApiErrorOptions extends ErrorOptions {
  /** What led to it, in a few words. */
  readonly reason?: string;
  /** What to do, as an imperative sentence or a command. */
  readonly hint?: string;
  readonly field?: string;
  readonly file?: string;
  readonly line?: number;
  readonly diagnostics?: readonly DiagnosticView[];
  /** Seconds until a repeat makes sense. */
  readonly retryAfterS?: number;
}

/** Where each code is explained; one heading each. */
const DOCS = 'docs/errors.md#';

/** A refusal that the client may read. Everything else becomes `internal` with nothing but a request id. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly options: ApiErrorOptions;

  constructor(status: number, code: string, message: string, options: ApiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.options = options;
  }
}

export function errorBody(error: ApiError, requestId: string): ErrorBody {
  const { reason, hint, field, file, line, diagnostics } = error.options;
  return {
    error: {
      code: error.code,
      message: error.message,
      ...(reason === undefined ? {} : { cause: reason }),
      ...(hint === undefined ? {} : { hint }),
      docs: `${DOCS}${error.code}`,
      ...(field === undefined ? {} : { field }),
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      requestId,
      ...(diagnostics === undefined ? {} : { diagnostics }),
    },
  };
}

export const notFound = (what: string, hint?: string): ApiError =>
  new ApiError(404, 'not-found', `There is no ${what}.`, hint === undefined ? {} : { hint });
