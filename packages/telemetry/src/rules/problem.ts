/** What is wrong with an object of Mixer's configuration. What has a problem is left out; the rest stays in force. */
export interface RuleProblem {
  /** `rule/istio-system/promhttp`. */
  readonly object: string;
  /** `spec.actions[0].handler`. */
  readonly field: string;
  readonly message: string;
  readonly fix?: string;
}

export type ReportProblem = (field: string, message: string, fix?: string) => void;
