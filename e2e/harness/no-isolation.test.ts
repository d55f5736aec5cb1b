/** Stands for the scenarios of the isolated form on machines that can not have it. */
import { it } from 'vitest';

it('NW-01 the scenarios in the isolated form', ({ skip }) => {
  skip(`the isolated form is not possible here: ${process.env['WEFT_TEST_MISSING']}`);
});
