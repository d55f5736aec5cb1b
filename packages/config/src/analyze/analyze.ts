/** Problems that show only when objects are seen together with each other and with what runs. */
import { byAge, configKey, refOf, type ConfigObject, type ConfigRef } from '@weft/contracts/config';
import { sortProblems, type Problem } from '../problems.ts';
import type { Path, Position } from '../source/locate.ts';
import { pathText } from '../validate/finding.ts';
import { CROSS_CHECKS } from './checks.ts';
import { indexObjects } from './index-objects.ts';
import type { World } from './world.ts';

export interface AnalyzeOptions {
  /** Finds the line of a field, for example `store.locate`; without it a problem is where its object begins. */
  readonly locate?: (ref: ConfigRef, path: Path) => ({ readonly file: string } & Position) | undefined;
}

/** Istio’s annotation: a list of codes, with `*` for all, that are not to be reported about the object. */
const SUPPRESS = 'galley.istio.io/analyze-suppress';

/** Pure: the same objects and world give the same problems. Nothing found here keeps an object from being served. */
export function analyze(
  objects: readonly ConfigObject[],
  world: World,
  options: AnalyzeOptions = {},
): readonly Problem[] {
  const problems: Problem[] = [];
  const around = indexObjects(objects.toSorted(byAge), world);
  for (const check of CROSS_CHECKS) {
    check(around, (object, { code, istioCode, severity = 'warning', path, message, fix }) => {
      if (suppressed(object, code) || (istioCode !== undefined && suppressed(object, istioCode))) return;
      const ref = refOf(object);
      const { file, line, column } = options.locate?.(ref, path) ?? object.source ?? { file: '', line: 1, column: 1 };
      problems.push({
        code,
        ...(istioCode === undefined ? {} : { istioCode }),
        severity,
        path: pathText(path),
        message,
        ...(fix === undefined ? {} : { fix }),
        object: configKey(ref),
        file,
        line,
        column,
      });
    });
  }
  return sortProblems(problems);
}

function suppressed({ metadata }: ConfigObject, code: string): boolean {
  const codes = metadata.annotations[SUPPRESS]?.split(',').map((word) => word.trim()) ?? [];
  return codes.includes(code) || codes.includes('*');
}
