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

/** What a sidecar may hold: in MB, or beside another. */
export interface MemoryGoal {
  readonly of: string;
  readonly against?: string;
  readonly most: number;
}

export interface Case {
  readonly title: string;
  readonly contenders: readonly Contender[];
  readonly work: Work;
  readonly goals: readonly Goal[];
  /** What CPU is counted by, where that is not a request. */
  readonly unit?: { readonly name: string; readonly perRequest: number };
  /** Rounds are at least so long. */
  readonly leastSeconds?: number;
  /** Whose memory is read under steady load. */
  readonly memoryOf?: readonly string[];
  readonly memoryGoals?: readonly MemoryGoal[];
}

export interface Scenario {
  /** The row of the table in docs/performance.md: `B1`. */
  readonly id: string;
  readonly title: string;
  /** How many contenders its cases have in all, when every peer is here: how long it will take. */
  readonly loads: number;
  /** Seconds that it takes beside its rounds. */
  readonly startSeconds: number;
  /** Starts all that its cases need. What can not be had is named in `lab.missing`, and its case or contender left out. */
  stage(lab: Lab): Promise<readonly Case[]>;
}

/** Goals that this run can judge: all whom they name are there. */
export function among<G extends { readonly of: string; readonly against?: string }>(
  contenders: readonly Pick<Contender, 'name'>[],
  goals: readonly G[],
): readonly G[] {
  const names = new Set(contenders.map(({ name }) => name));
  return goals.filter(({ of, against }) => names.has(of) && (against === undefined || names.has(against)));
}
