/** All that there is to say about the objects that are served, as `apply` said it when they came, and as it is since. */
import { analyze, sortProblems, type DirectoryStore, type Problem, type World } from '@weft/config';

export interface JudgeDeps {
  readonly store: Pick<DirectoryStore, 'list' | 'status'>;
  /** What the control plane says about objects beyond what their text shows. */
  readonly diagnostics: () => readonly Problem[];
  /** The same object until it changes. */
  readonly world: () => World;
}

/** @returns what tells the findings by `Kind/namespace/name`. Seeing objects together takes time: it is done when something changed. */
export function createJudge({ store, diagnostics, world }: JudgeDeps): () => ReadonlyMap<string, readonly Problem[]> {
  let seen: { readonly version: number; readonly around: World; readonly doubts: readonly Problem[] } | undefined;
  return () => {
    const { version, problems } = store.status();
    const around = world();
    if (seen?.version !== version || seen.around !== around) {
      // Where an object begins is known; where a field is would take reading the text once more.
      seen = { version, around, doubts: analyze(store.list(), around) };
    }
    const byObject = new Map<string, Problem[]>();
    for (const problem of sortProblems([...problems, ...diagnostics(), ...seen.doubts])) {
      if (problem.object === undefined) continue;
      const known = byObject.get(problem.object);
      if (known) known.push(problem);
      else byObject.set(problem.object, [problem]);
    }
    return byObject;
  };
}
