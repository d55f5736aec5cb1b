import { WeftError } from '@weft/kit';

/** An expression that can not be used: it does not parse or its types do not fit. Found at load, never per request. */
export class ExpressionError extends WeftError {
  override readonly name = 'ExpressionError';
  /** 1-based, in UTF-16 units. */
  readonly column: number;

  constructor(column: number, message: string, fix?: string) {
    super('WEFT_EXPRESSION', message, { where: `column ${column}`, ...(fix === undefined ? {} : { fix }) });
    this.column = column;
  }
}

/** Why an expression has no value for this request. A value, since it happens per request; never thrown. */
export class EvaluationFailure {
  readonly reason: 'absent' | 'invalid';
  /** 1-based position of the part that failed. */
  readonly column: number;
  readonly message: string;

  constructor(reason: 'absent' | 'invalid', column: number, message: string) {
    this.reason = reason;
    this.column = column;
    this.message = message;
  }
}
