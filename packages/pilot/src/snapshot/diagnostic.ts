import type { SourceRef } from '../config-store/config-object.ts';

/** What the control plane has to say about one object. `error`: the object, or the named part of it, has no effect or fails closed. */
export interface Diagnostic {
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly ref: SourceRef;
  /** Field the message is about, as a path: `spec.http[0].delegate`. */
  readonly path: string;
  readonly message: string;
  /** An object with such a diagnostic must be refused where it enters: it restricts, or routes, in a way that is not enforced. */
  readonly blocking: boolean;
}
