import type { AttributeVocabulary, ValueType } from '@weft/contracts';
import {
  type AttributeBag,
  bagAccess,
  checkExpression,
  type CompiledExpression,
  compileExpression,
  ExpressionError,
  parseExpression,
} from '@weft/expr';
import type { ReportProblem } from './problem.ts';

export type BagExpression = CompiledExpression<AttributeBag>;

/** Compiles the expression of a field. @param wanted undefined allows every type. @returns undefined after reporting what is wrong. */
export function compileField(
  text: string,
  field: string,
  vocabulary: AttributeVocabulary,
  report: ReportProblem,
  wanted?: ValueType,
): BagExpression | undefined {
  try {
    const typed = checkExpression(parseExpression(text), vocabulary);
    if (wanted !== undefined && typed.type !== wanted) {
      report(field, `must give ${wanted}; ${text} gives ${typed.type}`);
      return undefined;
    }
    return compileExpression(typed, bagAccess);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    report(field, `column ${error.column}: ${error.message}`, error.fix);
    return undefined;
  }
}
