import type { MeshConfig } from '../config-store/mesh-config.ts';
import type { MeshOptions } from '../options.ts';
import type { Diagnostic } from './diagnostic.ts';

export function diagnose(_config: MeshConfig, _mesh: MeshOptions): readonly Diagnostic[] {
  return [];
}
