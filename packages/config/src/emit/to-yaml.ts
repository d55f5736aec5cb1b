import type { ConfigObject } from '@weft/contracts/config';
import { stringify } from 'yaml';

/** An object as a plain value: what a user would write, without what the store keeps and without empty maps. */
export function toPlain({ apiVersion, kind, metadata, spec }: ConfigObject): Record<string, unknown> {
  const { name, namespace, labels, annotations } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === '' ? {} : { namespace }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec,
  };
}

/** As `toPlain`, with age, uid, generation and resourceVersion: for `get -o yaml` and the API. */
export function toPlainWithStatus(object: ConfigObject): Record<string, unknown> {
  const { creationTimestamp, uid, resourceVersion, generation } = object.metadata;
  const plain = toPlain(object);
  const kept = Object.entries({ creationTimestamp, generation, resourceVersion, uid }).filter(
    ([, value]) => value !== undefined,
  );
  return { ...plain, metadata: { ...(plain['metadata'] as object), ...Object.fromEntries(kept) } };
}

/** YAML that reads the same in version 1.1 and 1.2: words such as `on` and `0644` are quoted. */
export const toYaml = (object: ConfigObject): string => yamlText(toPlain(object));

export const yamlText = (value: unknown): string =>
  stringify(value, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
