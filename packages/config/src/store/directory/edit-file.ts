/** Puts one object into the text of a file, or takes it out, leaving everything else as its author wrote it. Pure. */
import { createHash } from 'node:crypto';
import { configKey, refOf, type ConfigObject, type ConfigRef } from '@weft/contracts/config';
import { isMap, parseDocument } from 'yaml';
import { toYaml } from '../../emit/to-yaml.ts';
import { parseConfig, type ParsedObject, type ParseOptions } from '../../parse-config.ts';
import { isError } from '../../problems.ts';
import type { ApplyItem } from '../config-store.ts';

const MAX_NAME = 200;

/** `virtualservice.default.reviews.yaml`; long names are cut and told apart by a hash. */
export function appliedFileName({ kind, namespace, name }: ConfigRef): string {
  const full = [kind.toLowerCase(), namespace, name].filter((part) => part !== '').join('.');
  if (full.length <= MAX_NAME) return `${full}.yaml`;
  return `${full.slice(0, MAX_NAME - 17)}-${createHash('sha256').update(full).digest('hex').slice(0, 16)}.yaml`;
}

/** The text of one object: the user’s own where it says the same, with the namespace spelled out. */
export function objectText({ object, text }: ApplyItem, options: ParseOptions): string {
  if (text !== undefined) {
    const own = withNamespace(text, object);
    const { objects, problems } = parseConfig(own, 'applied', options);
    const [only] = objects;
    const same =
      objects.length === 1 && only !== undefined && configKey(refOf(only.object)) === configKey(refOf(object));
    if (same && !problems.some(isError)) return endWithNewline(own);
  }
  return toYaml(object);
}

/** A later reader may have another default namespace. */
function withNamespace(text: string, { metadata: { namespace } }: ConfigObject): string {
  if (namespace === '') return text;
  const document = parseDocument(text, { version: '1.1' });
  const metadata = document.get('metadata');
  if (document.errors.length > 0 || !isMap(metadata) || metadata.has('namespace')) return text;
  metadata.set('namespace', namespace);
  return document.toString({ lineWidth: 0 });
}

/** Replaces the document of an object. @returns undefined when it shares its document with others (an item of a List). */
export function replaceDocument(fileText: string, held: ParsedObject, newText: string): string | undefined {
  if (held.text === undefined) return undefined;
  // Comments above the object stay, unless the new text brings its own.
  const comments = newText.trimStart().startsWith('#') ? '' : (/^(?:[ \t]*(?:#[^\n]*)?\n)+/.exec(held.text)?.[0] ?? '');
  return fileText.slice(0, held.start) + comments + endWithNewline(newText) + separated(fileText.slice(held.end));
}

/** Takes the document of an object out. @returns undefined as `replaceDocument`, and '' when nothing is left. */
export function removeDocument(fileText: string, held: ParsedObject): string | undefined {
  if (held.text === undefined) return undefined;
  const before = fileText.slice(0, held.start).replace(/---[ \t]*\r?\n$/, '');
  const after = fileText.slice(held.end);
  const rest = before.trim() === '' ? after.replace(/^---[ \t]*\r?\n/, '') : before + after;
  return rest.trim() === '' ? '' : rest;
}

/** What follows a document must begin with a separator. */
const separated = (rest: string): string =>
  rest.trim() === '' || /^(?:---|\.\.\.)/.test(rest) ? rest : `---\n${rest}`;
const endWithNewline = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`);
