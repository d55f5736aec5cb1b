export type Labels = Readonly<Record<string, string>>;

/** True when every wanted label is there with that value; no wanted label matches everything. */
export const matchesLabels = (wanted: Labels | undefined, actual: Labels): boolean =>
  wanted === undefined || Object.entries(wanted).every(([key, value]) => actual[key] === value);

/** Istio's canonical service name and revision of a workload. */
export function canonicalName(labels: Labels, workload: string): string {
  return labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workload;
}

export function canonicalRevision(labels: Labels): string {
  return (
    labels['service.istio.io/canonical-revision'] ??
    labels['app.kubernetes.io/version'] ??
    labels['version'] ??
    'latest'
  );
}
