import { selector } from './common.ts';
import type { Rule } from './rule.ts';

export const listenerLimits: Rule<'ListenerLimits'> = (spec, context) => {
  const { fail } = context;
  const { selector: selected, maxConnections, perAddress, http, http2 } = spec;
  if (selected !== undefined) selector(selected.matchLabels, ['spec', 'selector', 'matchLabels'], context);
  const given = [perAddress, http, http2].some((part) => part !== undefined && Object.keys(part).length > 0);
  if (maxConnections === undefined && !given) fail('W0012', ['spec'], 'nothing is limited', 'Give a limit.');
  if (perAddress === undefined) return;
  const { connectionsPerSecond, burst, floods, floodWindow, refuseFor } = perAddress;
  if (burst !== undefined && connectionsPerSecond === undefined)
    fail('W0024', ['spec', 'perAddress', 'burst'], 'is of no use without connectionsPerSecond');
  for (const [name, value] of Object.entries({ floodWindow, refuseFor }))
    if (value !== undefined && floods === undefined)
      fail('W0024', ['spec', 'perAddress', name], 'is of no use without floods');
  if (maxConnections !== undefined && (perAddress.maxConnections ?? 0) > maxConnections)
    fail('W0024', ['spec', 'perAddress', 'maxConnections'], 'is more than all may have together');
};
