import type { SpecOf } from '@weft/contracts/config';
import { shown } from '../formats.ts';
import { covers, hostForm } from '../hosts.ts';
import { exportTo } from './common.ts';
import { httpRoute } from './http-route.ts';
import type { Rule, RuleContext } from './rule.ts';
import { unreachable } from './unreachable.ts';

export const virtualService: Rule<'VirtualService'> = (spec, context) => {
  hosts(spec, context);
  exportTo(spec.exportTo, ['spec', 'exportTo'], context);
  const routes = (spec.http?.length ?? 0) + (spec.tls?.length ?? 0) + (spec.tcp?.length ?? 0);
  if (routes === 0) context.fail('W0012', ['spec'], 'there are no routes', 'Give http, tls or tcp.');
  for (const [index, ref] of (spec.gateways ?? []).entries()) {
    if (ref.includes('.svc.') || /\.[a-z0-9-]+\.svc$/.test(ref)) {
      context.warn('W0032', ['spec', 'gateways', index], `"${shown(ref)}" is the old form`, 'Write namespace/name.');
    }
  }
  for (const [index, route] of (spec.http ?? []).entries()) httpRoute(route, ['spec', 'http', index], context);
  for (const [index, route] of (spec.tls ?? []).entries()) sniHosts(spec, route, index, context);
  unreachable(spec.http ?? [], ['spec', 'http'], context);
};

function hosts(spec: SpecOf<'VirtualService'>, { fail }: RuleContext): void {
  const { hosts: names = [], gateways = ['mesh'] } = spec;
  const onMesh = gateways.includes('mesh');
  if (names.length === 0) {
    fail(
      'W0030',
      ['spec'],
      'a VirtualService without hosts is a delegate, and delegates are not merged yet',
      'Name the hosts.',
    );
  }
  for (const [index, host] of names.entries()) {
    const form = hostForm(host);
    if (form === 'any' && onMesh) {
      fail(
        'W0018',
        ['spec', 'hosts', index],
        '"*" can not be used for sidecars (gateway "mesh")',
        'Name the hosts, or list gateways without mesh.',
      );
    }
    if (form === 'ip' && onMesh) {
      fail(
        'W0018',
        ['spec', 'hosts', index],
        'an IP address can not be used for sidecars (gateway "mesh")',
        'Name the host.',
      );
    }
    const other = names.findIndex(
      (earlier, at) =>
        at !== index && covers(earlier, host) && (at < index || earlier.toLowerCase() !== host.toLowerCase()),
    );
    if (other !== -1) {
      fail(
        'W0018',
        ['spec', 'hosts', index],
        `"${shown(host)}" is already covered by "${shown(names[other] ?? '')}"`,
        'Keep one of them.',
      );
    }
  }
}

function sniHosts(
  spec: SpecOf<'VirtualService'>,
  route: NonNullable<SpecOf<'VirtualService'>['tls']>[number],
  at: number,
  { fail }: RuleContext,
): void {
  for (const [m, match] of route.match.entries()) {
    for (const [h, sni] of match.sniHosts.entries()) {
      if ((spec.hosts ?? []).some((host) => covers(host, sni))) continue;
      fail(
        'W0018',
        ['spec', 'tls', at, 'match', m, 'sniHosts', h],
        `"${shown(sni)}" is not among spec.hosts`,
        'Add it there.',
      );
    }
  }
}
