/** Something that takes bytes of anybody's making, and what must hold whatever they are. */
export interface FuzzTarget {
  readonly name: string;
  /** Longest input that is made. */
  readonly maxBytes: number;
  /** Tokens that mutation puts in. */
  readonly dictionary: readonly Buffer[];
  /** Changes that only somebody who knows the structure can make. @returns the new length. */
  readonly reshape?: Reshape;
  /**
   * Runs one input, of which nothing may be kept. What is thrown is a finding.
   * @returns how it behaved, in few words: an input that behaves as none before becomes a base for others.
   */
  run(input: Buffer): string;
  /** Called between inputs, every few hundred of them: finishes what takes turns of the event loop. */
  settle?(): Promise<void>;
  /** What the run should tell at its end, for example disagreements by rule. */
  summary?(): readonly string[];
  close?(): void;
}

/** @param bytes has room up to its end. @param random draws an integer below its argument. */
export type Reshape = (bytes: Buffer, length: number, random: (below: number) => number) => number;

/** A finding that belongs to another input than the one that runs. */
export class Finding extends Error {
  readonly input: Buffer;

  constructor(input: Buffer, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.input = input;
  }
}

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** Like `must`, for texts; made only when they differ. */
export function mustEqual(got: string, wanted: string, what: string): void {
  if (got !== wanted) throw new Error(`${what}\n  got    ${JSON.stringify(got)}\n  wanted ${JSON.stringify(wanted)}`);
}
