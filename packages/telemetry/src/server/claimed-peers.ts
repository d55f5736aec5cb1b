/**
 * A caller says itself which workload it is; its certificate says whose account it has. Where the registry knows the workload
 * as another account's, the claim is not repeated: the numbers stay, under `unknown`.
 */
import { parseSpiffeId } from '@weft/contracts';
import type { LogEntry, ReportRequest } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import type { Session } from '../store/sessions.ts';
import type { PeerRules } from './peer.ts';

export const UNKNOWN = 'unknown';

/** What a claim fills in besides the namespace, which its proxy has held against the certificate. */
const CLAIMED: ReadonlySet<string> = new Set([
  'source_workload',
  'source_app',
  'source_version',
  'source_canonical_service',
  'source_canonical_revision',
]);

type AccountOf = NonNullable<PeerRules['accountOf']>;

/** Changes the report in place, before it is kept. */
export function bindClaims(session: Session, report: ReportRequest, accountOf: AccountOf): void {
  for (const definition of report.series) {
    const names =
      report.metrics.find(({ id }) => id === definition.metric)?.labelNames ??
      session.metrics.get(definition.metric)?.labelNames;
    if (names === undefined) continue;
    const bound = boundLabels(names, definition.labelValues, accountOf);
    const known = session.series.get(definition.id)?.labelValues;
    // What a series was called at first it stays: the registry may know the workload only later, or no more.
    if (known !== undefined && isBound(names, known, definition.labelValues)) definition.labelValues = [...known];
    else if (known === undefined && bound !== undefined) definition.labelValues = bound;
  }
  for (const entry of report.logs) if (isForeign(entry, accountOf)) entry.peerWorkload = UNKNOWN;
}

/** @returns undefined when nothing is to be changed. */
function boundLabels(names: readonly string[], values: readonly string[], accountOf: AccountOf): string[] | undefined {
  const label = (name: string): string => values[names.indexOf(name)] ?? '';
  if (label('reporter') !== 'destination') return undefined;
  const workload = label('source_workload');
  if (!contradicts(label('source_principal'), label('source_workload_namespace'), workload, accountOf))
    return undefined;
  return values.map((value, index) => (CLAIMED.has(names[index] ?? '') ? UNKNOWN : value));
}

/** Whether `known` is what these values became. */
const isBound = (names: readonly string[], known: readonly string[], values: readonly string[]): boolean =>
  known.length === values.length &&
  known.every((value, index) => value === values[index] || (value === UNKNOWN && CLAIMED.has(names[index] ?? '')));

const isForeign = (entry: LogEntry, accountOf: AccountOf): boolean =>
  contradicts(entry.sourcePrincipal, entry.peerNamespace, entry.peerWorkload, accountOf);

function contradicts(principal: string, namespace: string, workload: string, accountOf: AccountOf): boolean {
  if (workload === '' || workload === UNKNOWN) return false;
  const identity = parseSpiffeId(principal);
  const account = accountOf(namespace, workload);
  return identity !== undefined && account !== undefined && account !== identity.serviceAccount;
}
