/** Which form of interception a mesh takes, and why. */
import { WeftError } from '@weft/kit';
import type { IsolationCheck } from '@weft/local';

export const INTERCEPTION_WISHES = ['auto', 'loopback', 'isolated'] as const;
export type InterceptionWish = (typeof INTERCEPTION_WISHES)[number];

export type Form =
  | { readonly form: 'loopback'; readonly reason?: string }
  | { readonly form: 'isolated'; readonly check: Extract<IsolationCheck, { possible: true }> };

/** @param check tries this machine; called only when it matters. @throws {WeftError} WEFT_ISOLATION_UNAVAILABLE. */
export function chooseForm(wish: InterceptionWish, check: () => IsolationCheck): Form {
  if (wish === 'loopback') return { form: 'loopback' };
  const found = check();
  if (found.possible) return { form: 'isolated', check: found };
  if (wish === 'auto') return { form: 'loopback', reason: `${found.missing} (${found.fix})` };
  throw new WeftError('WEFT_ISOLATION_UNAVAILABLE', `the isolated form is not possible here: ${found.missing}`, {
    fix: `${found.fix}; or use --interception loopback`,
  });
}

export function parseInterception(text: string | undefined): InterceptionWish {
  const wish = INTERCEPTION_WISHES.find((item) => item === (text ?? 'auto'));
  if (wish) return wish;
  throw new WeftError('WEFT_USAGE', `--interception is one of ${INTERCEPTION_WISHES.join(', ')}, not "${text}"`);
}
