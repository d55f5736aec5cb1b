import type { AttributeVocabulary } from '@weft/contracts';
import { closest } from '@weft/expr';
import type { Adapter } from '../adapters/adapter.ts';
import type { MixerObject } from './config-source.ts';
import { type BagExpression, compileField } from './expressions.ts';
import { ObjectReader } from './object-reader.ts';
import type { ReportProblem } from './problem.ts';
import type { CompiledInstance } from './templates.ts';

export interface CompiledAction {
  /** Full name of the handler. */
  readonly handler: string;
  readonly instances: readonly CompiledInstance[];
}

export interface HeaderOperation {
  readonly name: string;
  readonly operation: 'REPLACE' | 'REMOVE' | 'APPEND';
  readonly values: readonly BagExpression[];
}

export interface CompiledRule {
  readonly name: string;
  readonly namespace: string;
  /** Undefined: always. */
  readonly match: BagExpression | undefined;
  readonly actions: readonly CompiledAction[];
  readonly requestHeaders: readonly HeaderOperation[];
  readonly responseHeaders: readonly HeaderOperation[];
}

export interface RuleContext {
  readonly vocabulary: AttributeVocabulary;
  readonly handlers: ReadonlyMap<string, { readonly adapter: Adapter }>;
  readonly instances: ReadonlyMap<string, CompiledInstance>;
  readonly report: ReportProblem;
}

/** @returns nothing when the rule can not be in force: its match does not compile, or nothing of its actions is left. */
export function compileRule({ metadata, spec: raw }: MixerObject, context: RuleContext): readonly CompiledRule[] {
  const { report, vocabulary } = context;
  const spec = new ObjectReader(raw, 'spec', report);
  const text = spec.string('match')?.trim() ?? '';
  const always = text === '' || text.toLowerCase() === 'true';
  const match = always ? undefined : compileField(text, 'spec.match', vocabulary, report, 'BOOL');
  const readers = spec.objects('actions');
  const actions = readers.flatMap((action) => compileAction(action, metadata.namespace, context));
  const requestHeaders = headerOperations(spec, 'requestHeaderOperations', context);
  const responseHeaders = headerOperations(spec, 'responseHeaderOperations', context);
  if (spec.has('sampling')) spec.problem('sampling', 'is not supported: the rule always runs');
  spec.end();
  const changesHeaders = requestHeaders.length + responseHeaders.length > 0;
  if (readers.length === 0 && !changesHeaders) spec.problem('actions', 'is empty: the rule does nothing');
  if ((!always && !match) || (actions.length === 0 && !changesHeaders)) return [];
  return [{ name: metadata.name, namespace: metadata.namespace, match, actions, requestHeaders, responseHeaders }];
}

function compileAction(action: ObjectReader, namespace: string, context: RuleContext): readonly CompiledAction[] {
  const { handlers, instances } = context;
  const reference = action.required('handler');
  const names = action.strings('instances');
  // Names the output of an adapter for header operations; no adapter here has one.
  action.string('name');
  action.end();
  const handler = reference === undefined ? undefined : resolve(reference, 'handler', namespace, handlers);
  if (reference !== undefined && handler === undefined) {
    action.problem(
      'handler',
      `there is no usable handler ${JSON.stringify(reference)}`,
      nearest(reference, handlers.keys()),
    );
  }
  const templates = (handler === undefined ? undefined : handlers.get(handler)?.adapter.templates) ?? [];
  const seen = new Set<string>();
  const chosen = names.flatMap((name, i) => {
    const field = `instances[${i}]`;
    const full = resolve(name, 'instance', namespace, instances);
    const instance = full === undefined ? undefined : instances.get(full);
    if (full === undefined || !instance) {
      action.problem(field, `there is no usable instance ${JSON.stringify(name)}`, nearest(name, instances.keys()));
      return [];
    }
    if (seen.has(full)) {
      action.problem(field, `${name} is listed twice`);
      return [];
    }
    seen.add(full);
    if (handler !== undefined && !templates.includes(instance.shape.template)) {
      action.problem(field, `${handler} does not take ${instance.shape.template}`, `it takes ${templates.join(', ')}`);
      return [];
    }
    return [instance];
  });
  if (names.length === 0) action.problem('instances', 'is empty: the handler gets nothing');
  return handler === undefined || chosen.length === 0 ? [] : [{ handler, instances: chosen }];
}

/**
 * Full name of what a reference means. `a`: in the rule's namespace. `a.b`: kind b there, else namespace b. With two dots
 * it is the full name itself.
 */
export function resolve(
  reference: string,
  kind: 'handler' | 'instance',
  namespace: string,
  known: ReadonlyMap<string, unknown>,
): string | undefined {
  const dots = reference.split('.').length - 1;
  const candidates =
    dots === 0
      ? [`${reference}.${kind}.${namespace}`]
      : dots === 1
        ? [`${reference}.${namespace}`, reference.replace('.', `.${kind}.`)]
        : [reference];
  return candidates.find((candidate) => known.has(candidate));
}

function nearest(reference: string, known: Iterable<string>): string | undefined {
  const full = [...known];
  const near =
    closest(
      reference,
      full.map((name) => name.split('.')[0] ?? name),
    ) ?? closest(reference, full);
  return near === undefined
    ? undefined
    : `did you mean ${full.find((name) => name === near || name.startsWith(`${near}.`)) ?? near}?`;
}

function headerOperations(
  spec: ObjectReader,
  field: 'requestHeaderOperations' | 'responseHeaderOperations',
  { vocabulary, report }: RuleContext,
): readonly HeaderOperation[] {
  return spec.objects(field).flatMap((reader) => {
    const name = reader.required('name');
    const operation = reader.choice('operation', ['REPLACE', 'REMOVE', 'APPEND']) ?? 'REPLACE';
    const values = reader.strings('values').flatMap((text, i) => {
      const compiled = compileField(text, `${reader.path('values')}[${i}]`, vocabulary, report, 'STRING');
      return compiled ? [compiled] : [];
    });
    reader.end();
    if (name === undefined) return [];
    const pseudo = name.startsWith(':');
    const allowed = field === 'requestHeaderOperations' && [':path', ':authority', ':method'].includes(name);
    if (pseudo && !allowed) reader.problem('name', `${name} can not be changed`);
    else if (!pseudo && !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      reader.problem('name', `${JSON.stringify(name)} is no header name`);
    else return [{ name: name.toLowerCase(), operation, values }];
    return [];
  });
}
