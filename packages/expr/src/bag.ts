import type { ValueType } from '@weft/contracts';
import type { AttributeAccess } from './compiler.ts';
import { hasType, type StringMapView, type Value } from './values.ts';

/** The attributes of one request by name. */
export interface AttributeBag {
  get(name: string): Value | undefined;
  /** One key of a STRING_MAP attribute. */
  getKey(name: string, key: string): string | undefined;
}

/** Reads by name. A value whose type is not the vocabulary's counts as absent, so that evaluation can rely on types. */
export const bagAccess: AttributeAccess<AttributeBag> = {
  attribute: (name: string, type: ValueType) => (bag) => {
    const value = bag.get(name);
    return value === undefined || hasType(value, type) ? value : undefined;
  },
  key: (name) => (bag, key) => bag.getKey(name, key),
};

/** A bag over plain values. */
export function createBag(values: ReadonlyMap<string, Value>): AttributeBag {
  return {
    get: (name) => values.get(name),
    getKey(name, key) {
      const map = values.get(name);
      return map !== undefined && hasType(map, 'STRING_MAP') ? (map as StringMapView).get(key) : undefined;
    },
  };
}
