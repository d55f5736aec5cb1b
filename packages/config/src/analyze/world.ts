/** What the analyzer knows beside the objects themselves. */

export interface WorldService {
  /** Full name: `reviews.default.svc.cluster.local`. */
  readonly hostname: string;
  readonly ports: readonly { readonly number: number; readonly name?: string }[];
  /** Labels of each workload behind it. */
  readonly workloads: readonly Readonly<Record<string, string>>[];
}

export interface WorldWorkload {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Taken from the registries; empty lists mean that nothing is known, not that nothing exists, when `complete` is false. */
export interface World {
  readonly services: readonly WorldService[];
  readonly workloads: readonly WorldWorkload[];
  /** Whether what is not listed does not exist. */
  readonly complete: boolean;
  /** Default `cluster.local`. */
  readonly domain?: string;
  /** Default `istio-system`. */
  readonly rootNamespace?: string;
}

export const UNKNOWN_WORLD: World = { services: [], workloads: [], complete: false };

export function matchesLabels(
  wanted: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels[key] === value);
}
