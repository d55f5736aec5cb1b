import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import type { ProxyView } from '../snapshot/proxy-view.ts';
import { buildScope, type ProxyScope } from '../snapshot/scope.ts';
import { createMemo, type Memo } from './memo.ts';

/** All that a generator may look at. */
export interface GeneratorContext {
  readonly snapshot: MeshSnapshot;
  readonly proxy: ProxyView;
  readonly scope: ProxyScope;
  readonly memo: Memo;
}

export function generatorContext(
  snapshot: MeshSnapshot,
  proxy: ProxyView,
  memo: Memo = createMemo(),
): GeneratorContext {
  return { snapshot, proxy, scope: buildScope(snapshot, proxy), memo };
}
