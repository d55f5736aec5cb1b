import type { Problem } from '@weft/config';
import { refKey, type Config } from './config-object.ts';

/** What was found in an object that its store let in, with the place where the object was written. */
export const problemIn = (
  { ref }: Config<unknown>,
  found: Pick<Problem, 'code' | 'severity' | 'path' | 'message' | 'fix'>,
): Problem => ({ ...found, object: refKey(ref), file: ref.file ?? '', line: ref.line ?? 0, column: 0 });
