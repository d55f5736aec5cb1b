/** How people name configuration on a command line: `vs/reviews`, `virtualservice reviews`, `reviews.ns`. */
import { kindByAlias, KIND_NAMES, kindInfo, type KindName } from '@weft/contracts/config';
import { nearest } from '@weft/config';
import { WeftError } from '@weft/kit';

export function parseKind(word: string): KindName {
  const kind = kindByAlias(word);
  if (kind) return kind;
  const guess = nearest(word, KIND_NAMES.flatMap(wordsFor));
  throw new WeftError('WEFT_USAGE', `unknown kind "${word}"`, {
    fix: `${guess === undefined ? '' : `did you mean ${guess}? or `}use one of: ${KIND_NAMES.map((name) => kindInfo(name).plural).join(', ')}`,
  });
}

const wordsFor = (kind: KindName): readonly string[] => [
  ...kindInfo(kind).shortNames,
  kindInfo(kind).plural,
  kind.toLowerCase(),
];

export interface NamedObject {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name?: string;
}

/** @param words `[kind]`, `[kind, name]` or `[kind/name]`; a name may carry its namespace after a dot. */
export function parseTarget(words: readonly string[], namespace: string): NamedObject {
  const [first = '', second, ...rest] = words;
  const [kindWord = '', slashName] = first.split('/');
  if (rest.length > 0 || (slashName !== undefined && second !== undefined)) {
    throw new WeftError('WEFT_USAGE', 'name one object: KIND NAME, or KIND/NAME');
  }
  const kind = parseKind(kindWord);
  const named = slashName ?? second;
  if (named === undefined) return { kind, namespace };
  const dot = named.lastIndexOf('.');
  return dot > 0
    ? { kind, name: named.slice(0, dot), namespace: named.slice(dot + 1) }
    : { kind, name: named, namespace };
}

const part = (text: string): string => encodeURIComponent(text === '' ? 'core' : text);

/** The object's place in the API; Kubernetes' core group is written `core`. */
export const objectPath = ({ kind, namespace, name }: NamedObject & { readonly name: string }): string =>
  `/api/v1/config/${part(kindInfo(kind).group)}/${part(kind)}/${part(namespace)}/${part(name)}`;
