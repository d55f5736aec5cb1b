/** How urgent a change of configuration is. */
import { isDeepStrictEqual } from 'node:util';
import type { ConfigChange } from '@weft/config';
import type { ChangeClass } from './debounce.ts';

/** `endpoints` when only addresses of instances came or went: callers may be talking to the dead. */
export const classOf = (changes: readonly ConfigChange[]): ChangeClass =>
  changes.length > 0 && changes.every(isOfEndpoints) ? 'endpoints' : 'config';

function isOfEndpoints(change: ConfigChange): boolean {
  const { object } = change;
  if (object.kind === 'WorkloadEntry') return true;
  return object.kind === 'ServiceEntry' && change.type === 'updated' && sameButEndpoints(change.former, object);
}

const sameButEndpoints = (a: ConfigChange['object'], b: ConfigChange['object']): boolean =>
  isDeepStrictEqual(withoutEndpoints(a.spec), withoutEndpoints(b.spec));

const withoutEndpoints = (spec: unknown): object => ({ ...(spec as object | undefined), endpoints: [] });
