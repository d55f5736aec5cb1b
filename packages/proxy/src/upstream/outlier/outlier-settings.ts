/** When a host is taken out because of how it answers. Percentages are 0–100. */
export interface OutlierSettings {
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly jitterMs: number;
  readonly maxEjectionPercent: number;
  /** The first ejection is made even where the percentage does not allow it. */
  readonly alwaysEjectOne: boolean;
  /** Failures before an answer (no connection, time-out) are counted apart from what hosts answer. */
  readonly splitLocal: boolean;
  readonly consecutive5xx: number;
  readonly consecutiveGateway: number;
  readonly consecutiveLocal: number;
  readonly successRate: { readonly minHosts: number; readonly volume: number; readonly factor: number };
  readonly failurePercentage: { readonly threshold: number; readonly minHosts: number; readonly volume: number };
  /** How often each finding is acted on; 0 = it is only counted. */
  readonly enforcing: Readonly<Record<EjectionKind, number>>;
  /** A passed active health check brings a host back. */
  readonly checkBringsBack: boolean;
}

export const EJECTION_KINDS = [
  'consecutive_5xx',
  'consecutive_gateway_failure',
  'consecutive_local_origin_failure',
  'success_rate',
  'local_origin_success_rate',
  'failure_percentage',
  'local_origin_failure_percentage',
] as const;
/** Why a host was ejected, as statistics call it. */
export type EjectionKind = (typeof EJECTION_KINDS)[number];
