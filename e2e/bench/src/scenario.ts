/** What a scenario is: cases that are measured, and what must come out. */
import type { Lab } from './lab/lab.ts';
import type { Contender, Round, Work } from './measure.ts';

/** A figure of one contender beside the same figure of another in the same rounds. */
export interface Goal {
  readonly figure: keyof Round;
  readonly of: string;
  readonly against: string;
  /** The ratio may be at most this, or must be at least that. */
  readonly most?: number;
  readonly least?: number;
}

export interface Case {
  readonly title: string;
  readonly contenders: readonly Contender[];
  readonly work: Work;
  readonly goals: readonly Goal[];
  /** Set when something goes on beside the load of one contender. */
  readonly memoryOf?: string;
}

export interface Scenario {
  /** The row of the table: `B1`. */
  readonly id: string;
  readonly title: string;
  /** Starts all that its cases need. What can not be had is named in `lab.missing`, and its case or contender left out. */
  stage(lab: Lab): Promise<readonly Case[]>;
}

/** The goals that this run can judge: both contenders are there. */
export function goalsFor(contenders: readonly Contender[], goals: readonly Goal[]): readonly Goal[] {
  const names = new Set(contenders.map(({ name }) => name));
  return goals.filter(({ of, against }) => names.has(of) && names.has(against));
}
