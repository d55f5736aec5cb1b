/** Rules about a whole spec, which a schema can not say. They run on specs whose types are right. */
import type { KindName, SpecOf } from '@weft/contracts/config';
import type { ProblemCode } from '../../problems.ts';
import type { Path } from '../../source/locate.ts';
import type { Report } from '../finding.ts';

export interface RuleContext {
  readonly name: string;
  readonly namespace: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly report: Report;
  readonly fail: (code: ProblemCode, path: Path, message: string, fix?: string) => void;
  readonly warn: (code: ProblemCode, path: Path, message: string, fix?: string) => void;
}

export type Rule<Kind extends KindName> = (spec: SpecOf<Kind>, context: RuleContext) => void;
