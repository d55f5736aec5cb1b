/** What goes between the thread that serves and the one that reads text: data only, no functions. */
import type { ConfigObject } from '@weft/contracts/config';
import type { ParsedObject } from '../parse-config.ts';
import type { Problem } from '../problems.ts';
import type { ApplyItem } from '../store/config-store.ts';

export type Job =
  | { readonly id: number; readonly kind: 'parse'; readonly text: string; readonly file: string }
  | { readonly id: number; readonly kind: 'objectText'; readonly item: ApplyItem };

export interface PlainParse {
  readonly objects: readonly Omit<ParsedObject, 'locate'>[];
  readonly problems: readonly Problem[];
}

export type Done =
  | { readonly id: number; readonly kind: 'parse'; readonly result: PlainParse }
  | { readonly id: number; readonly kind: 'objectText'; readonly result: string }
  | { readonly id: number; readonly kind: 'failed'; readonly message: string };

/** Frozen again, as `parseConfig` leaves it: a copy is not. */
export function frozen(object: ConfigObject): ConfigObject {
  return Object.freeze({ ...object, ...(object.source ? { source: Object.freeze(object.source) } : {}) });
}
