/** Istio keeps the settings of its mesh as a YAML text in the ConfigMap `istio`: here that text is an object of its own. */
import { readDocuments, type SourceDocument } from './documents.ts';
import type { ReadLimits } from './limits.ts';
import type { Path, Position } from './locate.ts';
import { isRecord } from './yaml-values.ts';

export interface MeshConfigText {
  readonly value: unknown;
  locate(path: Path, want: 'key' | 'value'): Position;
}

/** @returns undefined for every other document. */
export function meshConfigIn(document: SourceDocument, limits: ReadLimits): MeshConfigText | undefined {
  const { value } = document;
  if (!isRecord(value) || value['apiVersion'] !== 'v1' || value['kind'] !== 'ConfigMap') return undefined;
  const { metadata, data } = value;
  if (!isRecord(metadata) || metadata['name'] !== 'istio' || !isRecord(data)) return undefined;
  const text = data['mesh'];
  if (typeof text !== 'string') return undefined;
  const [inner] = readDocuments(text, limits).documents;
  const labels = isRecord(metadata['annotations']) ? { annotations: metadata['annotations'] } : {};
  const locate = (path: Path, want: 'key' | 'value'): Position => {
    const [field, ...rest] = path;
    const at = document.locate(['data', 'mesh'], 'value');
    if (field !== 'spec' || inner === undefined) return field === 'spec' ? at : document.locate(path, want);
    // A block begins in the line behind its sign.
    const { line, column } = inner.locate(rest, want);
    return { line: at.line + line, column };
  };
  return {
    // What can not be read as settings is told as settings of a wrong type.
    value: {
      apiVersion: 'weft.dev/v1',
      kind: 'MeshConfig',
      metadata: { name: 'istio', ...labels },
      spec: inner?.value ?? text,
    },
    locate,
  };
}
