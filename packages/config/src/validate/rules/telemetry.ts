import { shown } from '../formats.ts';
import type { Rule } from './rule.ts';
import { selector } from './common.ts';

export const telemetry: Rule<'Telemetry'> = (spec, context) => {
  const { fail, warn } = context;
  if (spec.selector !== undefined) selector(spec.selector.matchLabels, ['spec', 'selector', 'matchLabels'], context);
  if ((spec.tracing?.length ?? 0) > 1) warn('W0025', ['spec', 'tracing'], 'only the first entry counts', 'Join them.');
  for (const [index, { providers = [] }] of (spec.accessLogging ?? []).entries()) {
    const where = ['spec', 'accessLogging', index];
    for (const [p, { name }] of providers.entries()) {
      if (name !== 'envoy')
        warn(
          'W0025',
          [...where, 'providers', p],
          `"${shown(name)}" is no provider here`,
          'Use envoy: the proxy’s own log.',
        );
    }
  }
  for (const [m, { overrides = [] }] of (spec.metrics ?? []).entries()) {
    for (const [o, { tagOverrides = {} }] of overrides.entries()) {
      for (const [tag, { operation = 'UPSERT', value }] of Object.entries(tagOverrides)) {
        const where = ['spec', 'metrics', m, 'overrides', o, 'tagOverrides', tag];
        if (operation === 'UPSERT' && (value ?? '') === '') fail('W0012', where, 'UPSERT needs a value');
        if (operation === 'REMOVE' && (value ?? '') !== '') fail('W0024', where, 'REMOVE takes no value');
      }
    }
  }
};
