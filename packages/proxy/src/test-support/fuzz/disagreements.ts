/** A way in which another implementation is known to differ, and why ours is right or may stay so. */
export interface Rule<Difference> {
  readonly name: string;
  readonly reason: string;
  readonly holds: (difference: Difference) => boolean;
}

/** Counts differences by the first rule that explains them; one that none explains is a finding. */
export class Disagreements<Difference> {
  readonly #rules: readonly Rule<Difference>[];
  readonly #show: (difference: Difference) => string;
  readonly #counts = new Map<Rule<Difference>, number>();

  constructor(rules: readonly Rule<Difference>[], show: (difference: Difference) => string) {
    this.#rules = rules;
    this.#show = show;
  }

  /** @returns the rule's name. */
  explain(difference: Difference): string {
    const rule = this.#rules.find(({ holds }) => holds(difference));
    if (rule === undefined) throw new Error(`a difference that no rule explains: ${this.#show(difference)}`);
    this.#counts.set(rule, (this.#counts.get(rule) ?? 0) + 1);
    return rule.name;
  }

  summary(): string[] {
    return this.#rules.map(
      (rule) => `${(this.#counts.get(rule) ?? 0).toLocaleString('en')} × ${rule.name}: ${rule.reason}`,
    );
  }
}
