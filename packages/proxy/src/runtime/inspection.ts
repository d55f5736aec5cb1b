// Which connections are held until their first bytes have come, and what is looked for in them.
import type { Listener } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import type { ListenerFilterChainMatchPredicate as Predicate } from '@weft/contracts/lean/envoy/config/listener/v3/listener_components';
import { HttpInspectorSchema } from '@weft/contracts/lean/envoy/extensions/filters/listener/http_inspector/v3/http_inspector';
import { TlsInspectorSchema } from '@weft/contracts/lean/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import { type ChainCriteria, inspectionNeeds } from '../listeners/chain-match.ts';
import { typeNameOf } from './any.ts';

export interface Inspection {
  readonly tls: boolean;
  readonly http: boolean;
}

type ByPort = (port: number) => boolean;

/**
 * By the port that a connection was going to. Chains of a port shut out those without one, so each port waits only for
 * what its own chains depend on; and an inspector that is disabled for a port finds nothing there.
 */
export function inspections(message: Listener, all: readonly ChainCriteria[]): (port: number) => Inspection {
  const byPort = new Map<number, ChainCriteria[]>();
  for (const criteria of all) {
    const group = byPort.get(criteria.destinationPort);
    if (group) group.push(criteria);
    else byPort.set(criteria.destinationPort, [criteria]);
  }
  const rest = inspectionNeeds(byPort.get(0) ?? []);
  byPort.delete(0);
  const needs = new Map([...byPort].map(([port, criteria]) => [port, inspectionNeeds(criteria)]));
  const noTls = disabled(message, 'envoy.filters.listener.tls_inspector', TlsInspectorSchema.typeName);
  const noHttp = disabled(message, 'envoy.filters.listener.http_inspector', HttpInspectorSchema.typeName);
  const at = (port: number): Inspection => needs.get(port) ?? rest;
  if (noTls === undefined && noHttp === undefined) return at;
  return (port) => {
    const { tls, http } = at(port);
    if (!tls) return NOTHING;
    const found = { tls: noTls?.(port) !== true, http: http && noHttp?.(port) !== true };
    // Both are told by one look at the bytes.
    return { tls: found.tls || found.http, http: found.http };
  };
}

const NOTHING: Inspection = { tls: false, http: false };

function disabled({ listenerFilters }: Listener, name: string, typeName: string): ByPort | undefined {
  const found = listenerFilters.find(
    (filter) =>
      filter.name === name ||
      (filter.configType.case === 'typedConfig' && typeNameOf(filter.configType.value.typeUrl) === typeName),
  );
  return found?.filterDisabled === undefined ? undefined : compilePredicate(found.filterDisabled);
}

export function compilePredicate({ rule }: Predicate): ByPort {
  switch (rule.case) {
    case 'anyMatch':
      return () => rule.value;
    case 'notMatch': {
      const inner = compilePredicate(rule.value);
      return (port) => !inner(port);
    }
    case 'orMatch': {
      const parts = rule.value.rules.map(compilePredicate);
      return (port) => parts.some((part) => part(port));
    }
    case 'andMatch': {
      const parts = rule.value.rules.map(compilePredicate);
      return (port) => parts.every((part) => part(port));
    }
    case 'destinationPortRange': {
      // The end is not part of it.
      const { start, end } = rule.value;
      return (port) => port >= start && port < end;
    }
    case undefined:
      return () => false;
  }
}
