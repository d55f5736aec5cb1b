import { WeftError } from '@weft/kit';
import type { RedirectPlan } from '../plan/redirect-plan.ts';
import { BACKENDS, type BackendName } from './backends.ts';
import type { Executor } from './executor.ts';

export interface AppliedCapture {
  readonly backend: BackendName;
  /** Backends that were tried before, and why they could not do it. */
  readonly passedOver: readonly string[];
}

export interface ApplyOptions {
  /** Only this one is tried. */
  readonly backend?: BackendName;
}

/**
 * Puts the rules in force by the first backend that is there and works. A second time it leaves the same rules, and a
 * changed plan replaces the former one.
 * @throws {WeftError} WEFT_CAPTURE_UNAVAILABLE saying what each backend lacks.
 */
export async function applyCapture(
  plan: RedirectPlan,
  executor: Executor,
  options: ApplyOptions = {},
): Promise<AppliedCapture> {
  const passedOver: string[] = [];
  for (const backend of BACKENDS) {
    if (options.backend !== undefined && options.backend !== backend.name) continue;
    const why = await backend.apply(plan, executor);
    if (why === undefined) return { backend: backend.name, passedOver };
    passedOver.push(`${backend.name}: ${why}`);
  }
  throw new WeftError('WEFT_CAPTURE_UNAVAILABLE', `connections can not be redirected here (${passedOver.join('; ')})`, {
    fix: 'Install iptables or nftables, and make sure that the caller may administer this network namespace (CAP_NET_ADMIN).',
  });
}

/**
 * Takes the rules away, whichever backend made them. Nothing to take away is no failure.
 * @throws {WeftError} WEFT_CAPTURE_UNAVAILABLE when rules may be left.
 */
export async function removeCapture(executor: Executor): Promise<void> {
  const failures: string[] = [];
  for (const backend of BACKENDS) {
    const why = await backend.remove(executor);
    if (why !== undefined) failures.push(`${backend.name}: ${why}`);
  }
  if (failures.length < BACKENDS.length) return;
  throw new WeftError('WEFT_CAPTURE_UNAVAILABLE', `redirect rules could not be removed (${failures.join('; ')})`, {
    fix: 'Remove the network namespace, or the chains WEFT_* (iptables) and the table weft_capture (nftables), by hand.',
  });
}
