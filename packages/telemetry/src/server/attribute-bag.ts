/** Mixer's compressed attributes → bags that expressions read. */
import { GLOBAL_WORDS } from '@weft/contracts';
import type { CompressedAttributes } from '@weft/contracts/full/mixer/v1/attributes';
import { type ReportRequest, ReportRequest_RepeatedAttributesSemantics } from '@weft/contracts/full/mixer/v1/mixer';
import type { AttributeBag, StringMapView, Value } from '@weft/expr';

/** Attributes of one message by name. */
export type Attributes = ReadonlyMap<string, Value>;

export interface DecodedAttributes {
  readonly attributes: Attributes;
  /** Numbers of words that neither dictionary has; what they stood for counts as absent. */
  readonly unknownWords: readonly number[];
}

/** @param base what the bag changes; its attributes stay unless the message has them too. */
export function decodeAttributes(
  message: CompressedAttributes,
  defaultWords: readonly string[] = [],
  base: Attributes = new Map(),
): DecodedAttributes {
  const words = message.words.length > 0 ? message.words : defaultWords;
  const attributes = new Map(base);
  const unknownWords: number[] = [];
  const word = (index: number): string | undefined => {
    const found = index >= 0 ? GLOBAL_WORDS[index] : words[-index - 1];
    if (found === undefined) unknownWords.push(index);
    return found;
  };
  const each = <T>(entries: Readonly<Record<number, T>>, valueOf: (value: T) => Value | undefined): void => {
    for (const [index, raw] of Object.entries(entries)) {
      const name = word(Number(index));
      const value = name === undefined ? undefined : valueOf(raw);
      if (name !== undefined && value !== undefined) attributes.set(name, value);
    }
  };
  each(message.strings, word);
  each(message.int64s, Number);
  each(message.doubles, (value) => value);
  each(message.bools, (value) => value);
  each(message.timestamps, ({ seconds, nanos }) => Number(seconds) * 1000 + nanos / 1e6);
  each(message.durations, ({ seconds, nanos }) => Number(seconds) * 1000 + nanos / 1e6);
  each(message.bytes, (value) => value);
  each(message.stringMaps, ({ entries }) => {
    const map = new Map<string, string>();
    for (const [key, value] of Object.entries(entries)) {
      const [name, text] = [word(Number(key)), word(value)];
      if (name !== undefined && text !== undefined) map.set(name, text);
    }
    return map;
  });
  return { attributes, unknownWords };
}

/** The bags of a report. In delta encoding each is what the one before it was, with what the message changes. */
export function decodeReport(request: ReportRequest): readonly DecodedAttributes[] {
  const delta = request.repeatedAttributesSemantics === ReportRequest_RepeatedAttributesSemantics.DELTA_ENCODING;
  let base: Attributes = new Map();
  return request.attributes.map((message) => {
    const decoded = decodeAttributes(message, request.defaultWords, base);
    if (delta) base = decoded.attributes;
    return decoded;
  });
}

/** Which attribute, or which key of a map, was read, and whether it was there. */
export interface Reference {
  readonly name: string;
  /** Undefined for a whole attribute. */
  readonly key: string | undefined;
  readonly present: boolean;
}

/** A bag that notes what was read, so that the caller of Check knows for which other requests the verdict holds. */
export interface TrackingBag extends AttributeBag {
  references(): readonly Reference[];
}

export function trackingBag(attributes: Attributes): TrackingBag {
  const references = new Map<string, Reference>();
  const note = (name: string, key: string | undefined, present: boolean): void => {
    const id = key === undefined ? name : `${name}\n${key}`;
    if (!references.has(id)) references.set(id, { name, key, present });
  };
  const asMap = (value: Value | undefined): StringMapView | undefined =>
    typeof value === 'object' && !(value instanceof Uint8Array) ? value : undefined;
  return {
    get(name) {
      const value = attributes.get(name);
      const map = asMap(value);
      if (!map) {
        note(name, undefined, value !== undefined);
        return value;
      }
      return {
        get(key) {
          const found = map.get(key);
          note(name, key, found !== undefined);
          return found;
        },
        entries() {
          // Every key counts; another request with one key more would differ and is not known to.
          for (const [key] of map.entries()) note(name, key, true);
          return map.entries();
        },
      };
    },
    getKey(name, key) {
      const found = asMap(attributes.get(name))?.get(key);
      // Also when the whole map is absent: a later request that has it may still lack the key, or not.
      note(name, key, found !== undefined);
      return found;
    },
    references: () => [...references.values()],
  };
}
