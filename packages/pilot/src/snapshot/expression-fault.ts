import { compileCel, REQUEST_ATTRIBUTES } from '@weft/expr';
import { errorMessage } from '@weft/kit';

/** What is wrong with the filter of an access log; undefined when nothing is. */
export function expressionFault(expression: string): string | undefined {
  if (expression === '') return undefined;
  try {
    compileCel(expression, REQUEST_ATTRIBUTES);
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
