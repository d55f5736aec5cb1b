/** One text that defines an object twice: neither order of the two is what its author meant for sure. */
import type { ParsedObject, Problem } from '@weft/config';

export function definedTwice(objects: readonly ParsedObject[]): readonly Problem[] {
  const first = new Map<string, ParsedObject>();
  return objects.flatMap((parsed): Problem[] => {
    const { kind, metadata, source } = parsed.object;
    const object = `${kind}/${metadata.namespace}/${metadata.name}`;
    const before = first.get(object);
    if (before === undefined) {
      first.set(object, parsed);
      return [];
    }
    const message = `${object} is also in line ${before.object.source?.line ?? 1} of the same text`;
    const { file = '-', line = 1, column = 1 } = source ?? {};
    return [
      {
        code: 'W0009',
        severity: 'error',
        path: '',
        message,
        fix: 'Remove one of the two.',
        object,
        file,
        line,
        column,
      },
    ];
  });
}
