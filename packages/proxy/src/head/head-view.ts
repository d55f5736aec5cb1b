/**
 * One message head as routing, filters, logs and tracing see it, whatever protocol it came by. A codec makes it; edits
 * are remembered beside the received bytes and spliced in when the next codec writes the head.
 *
 * Names are given in lower case. Requests have the pseudo-headers `:method`, `:path` (with query), `:authority` and
 * `:scheme`, responses `:status`; `host` and `:authority` are the same thing.
 */
export interface HeadView {
  /** The value, several lines joined with `,`. A string is made only here. */
  get(name: string): string | undefined;
  has(name: string): boolean;
  /** Replaces all lines of the name by one, in the place of the first, or appends it. Pseudo-headers may be set too. */
  set(name: string, value: string): void;
  /** Appends a line. */
  add(name: string, value: string): void;
  remove(name: string): void;
  /** Lines in order, as received (case kept), edits applied, without pseudo-headers. */
  forEach(visit: (name: string, value: string) => void): void;
}
