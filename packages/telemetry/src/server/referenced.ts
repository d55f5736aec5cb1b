import { create } from '@bufbuild/protobuf';
import { GLOBAL_WORDS } from '@weft/contracts';
import {
  type ReferencedAttributes,
  ReferencedAttributes_Condition,
  ReferencedAttributesSchema,
} from '@weft/contracts/full/mixer/v1/attributes';
import type { Reference } from './attribute-bag.ts';

const INDEX = new Map(GLOBAL_WORDS.map((word, i) => [word, i]));

/** @param globalWordCount how many words of the global dictionary the other end knows. */
export function encodeReferences(references: readonly Reference[], globalWordCount: number): ReferencedAttributes {
  const words: string[] = [];
  const own = new Map<string, number>();
  const index = (word: string): number => {
    const global = INDEX.get(word);
    if (global !== undefined && global < globalWordCount) return global;
    const known = own.get(word);
    if (known !== undefined) return known;
    words.push(word);
    own.set(word, -words.length);
    return -words.length;
  };
  const attributeMatches = references.map(({ name, key, present }) => ({
    name: index(name),
    condition: present ? ReferencedAttributes_Condition.EXACT : ReferencedAttributes_Condition.ABSENCE,
    ...(key === undefined ? {} : { mapKey: index(key) }),
  }));
  return create(ReferencedAttributesSchema, { words, attributeMatches });
}
