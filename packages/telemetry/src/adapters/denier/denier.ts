import type { Adapter } from '../adapter.ts';

const FAILED_PRECONDITION = 9;

/** Answers every check with one status. */
export const denier: Adapter = {
  name: 'denier',
  templates: ['checknothing'],
  plan(params) {
    const status = params.object('status');
    const code = status?.integer('code') ?? FAILED_PRECONDITION;
    const message = status?.string('message') ?? '';
    if (code < 0 || code > 16) status?.problem('code', `${code} is no status code`, 'use a google.rpc code, 0 to 16');
    // Not sent on; the analyzer of configuration says so to the user.
    status?.list('details');
    status?.end();
    const validDurationMs = params.duration('validDuration') ?? 5_000;
    const validUseCount = params.integer('validUseCount') ?? 1_000;
    params.end();
    const verdict = { status: { code, message }, validDurationMs, validUseCount };
    return { exports: [], create: () => ({ check: () => verdict, close: () => {} }) };
  },
};
