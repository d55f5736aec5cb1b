import type { RequestRecord } from '../request-record.ts';
import type { Wanted } from './captures.ts';

/** undefined prints as `-` in text and null in JSON. Objects and lists are for JSON; in text they are JSON texts. */
export type LogValue = string | number | boolean | object | undefined;

/** One value of a line. */
export type Operator = (record: RequestRecord) => LogValue;

/** What operators need beside the record. */
export interface OperatorContext {
  readonly resource: string;
  readonly wanted: Wanted;
  readonly hostname: string;
  readonly environment: (name: string) => string | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly uniqueId: () => string;
}

export const some = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
