/** LDS: what one proxy listens on. */
import { compareText } from '../model/hostname.ts';
import { buildCapturedListeners } from './captured-listeners.ts';
import type { GeneratorContext } from './context.ts';
import { buildGatewayListeners } from './gateway-listeners.ts';
import { buildInboundListeners } from './inbound-listeners.ts';
import { buildOutboundListeners } from './outbound-listeners.ts';
import type { GeneratedListener } from './resource.ts';

/** Sorted by name. */
export function buildListeners(context: GeneratorContext): readonly GeneratedListener[] {
  const listeners =
    context.proxy.type === 'router'
      ? buildGatewayListeners(context)
      : [...buildInboundListeners(context), ...buildOutboundListeners(context), ...buildCapturedListeners(context)];
  return listeners.toSorted((a, b) => compareText(a.name, b.name));
}
