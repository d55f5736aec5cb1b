/** Which keys do what: `g` and a letter goes somewhere, others act at once. Pure. */
export type Place = '/overview' | '/traffic' | '/services' | '/workloads' | '/traces' | '/config' | '/mesh';

export type KeyAction =
  | { readonly type: 'go'; readonly to: Place }
  | { readonly type: 'help' | 'pause' | 'filter' | 'problems' | 'close' };

const PLACES: Readonly<Record<string, Place>> = {
  o: '/overview',
  t: '/traffic',
  s: '/services',
  w: '/workloads',
  r: '/traces',
  c: '/config',
  m: '/mesh',
};
const SINGLE: Readonly<Record<string, KeyAction>> = {
  '?': { type: 'help' },
  p: { type: 'pause' },
  '/': { type: 'filter' },
  u: { type: 'problems' },
  Escape: { type: 'close' },
};

/** @param pending what was pressed before: `g` or nothing. @returns what to do now, and what to remember. */
export function nextKey(pending: string, key: string): { readonly action?: KeyAction; readonly rest: string } {
  if (pending === 'g') {
    const to = Object.hasOwn(PLACES, key) ? PLACES[key] : undefined;
    return to === undefined ? { rest: '' } : { action: { type: 'go', to }, rest: '' };
  }
  if (key === 'g') return { rest: 'g' };
  const action = Object.hasOwn(SINGLE, key) ? SINGLE[key] : undefined;
  return action === undefined ? { rest: '' } : { action, rest: '' };
}
