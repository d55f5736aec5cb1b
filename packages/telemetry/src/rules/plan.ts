/** Configuration objects → what to do for a request. Pure: the same objects give the same plan, in order of the objects. */
import { type AttributeVocabulary, STANDARD_ATTRIBUTES, VALUE_TYPES, type ValueType } from '@weft/contracts';
import { closest } from '@weft/expr';
import type { Adapter, HandlerPlan } from '../adapters/adapter.ts';
import { MIXER_KINDS, type MixerConfigSource, type MixerObject } from './config-source.ts';
import { ObjectReader } from './object-reader.ts';
import type { ReportProblem, RuleProblem } from './problem.ts';
import { compileRule, type CompiledRule } from './rule.ts';
import { type CompiledInstance, compileInstance, TEMPLATES, type TemplateName } from './templates.ts';

/** A handler that some rule uses. */
export interface PlannedHandler {
  /** `prometheus.handler.istio-system`. */
  readonly name: string;
  readonly adapter: Adapter;
  /** Equal when adapter, parameters and instances are: then the running handler is kept, with all it counted. */
  readonly signature: string;
  readonly plan: HandlerPlan;
}

/** Everything to do, until the configuration changes. */
export interface Plan {
  readonly handlers: ReadonlyMap<string, PlannedHandler>;
  readonly rules: readonly CompiledRule[];
  readonly problems: readonly RuleProblem[];
}

/** A handler as configured; its parameters are read when it is known which instances it gets. */
interface HandlerConfig {
  readonly name: string;
  readonly adapter: Adapter;
  readonly params: unknown;
  readonly paramsPath: string;
  readonly object: MixerObject;
}

export interface PlanOptions {
  readonly adapters: ReadonlyMap<string, Adapter>;
}

export function buildPlan(source: Pick<MixerConfigSource, 'list'>, { adapters }: PlanOptions): Plan {
  const problems: RuleProblem[] = [];
  const reporter =
    (object: MixerObject): ReportProblem =>
    (field, message, fix) =>
      problems.push({ object: idOf(object), field, message, ...(fix === undefined ? {} : { fix }) });

  const vocabulary = readVocabulary(source.list('attributemanifest'), reporter);
  const handlerConfigs = readHandlers(source, adapters, reporter);
  const instances = readInstances(source, vocabulary, reporter);
  const compiled = source
    .list('rule')
    .flatMap((object) =>
      compileRule(object, { vocabulary, handlers: handlerConfigs, instances, report: reporter(object) }),
    );

  const handlers = new Map<string, PlannedHandler>();
  const exported = new Map<string, string>();
  for (const config of handlerConfigs.values()) {
    const planned = planHandler(config, compiled, exported, reporter(config.object));
    if (planned) handlers.set(planned.name, planned);
  }
  const rules = compiled.flatMap((rule) => {
    const actions = rule.actions.filter((action) => handlers.has(action.handler));
    return actions.length > 0 || rule.actions.length === 0 ? [{ ...rule, actions }] : [];
  });
  return { handlers, rules, problems };
}

const idOf = ({ kind, metadata }: MixerObject): string => `${kind}/${metadata.namespace}/${metadata.name}`;

function readVocabulary(
  manifests: readonly MixerObject[],
  reporter: (object: MixerObject) => ReportProblem,
): AttributeVocabulary {
  const vocabulary = new Map(STANDARD_ATTRIBUTES);
  const declaredBy = new Map<string, string>();
  for (const object of manifests) {
    const spec = new ObjectReader(object.spec, 'spec', reporter(object));
    spec.string('revision');
    spec.string('name');
    const raw = spec.raw('attributes');
    const attributes = typeof raw === 'object' && raw !== null ? Object.entries(raw as Record<string, unknown>) : [];
    for (const [name, value] of attributes) {
      const path = `spec.attributes[${JSON.stringify(name)}]`;
      const attribute = new ObjectReader(value, path, reporter(object));
      attribute.string('description');
      const type = attribute.choice('valueType', VALUE_TYPES);
      attribute.end();
      if (!type) continue;
      const conflict = conflictOf(name, type, vocabulary, declaredBy.get(name));
      if (conflict) reporter(object)(path, conflict);
      else vocabulary.set(name, type);
      if (!declaredBy.has(name)) declaredBy.set(name, idOf(object));
    }
    spec.end();
  }
  return vocabulary;
}

function conflictOf(
  name: string,
  type: ValueType,
  vocabulary: AttributeVocabulary,
  by: string | undefined,
): string | undefined {
  if (!/^[a-zA-Z][a-zA-Z0-9_-]*(?:\.[a-zA-Z0-9_-]+)*$/.test(name)) return `${name} is no attribute name`;
  const known = vocabulary.get(name);
  if (known === undefined || known === type) return undefined;
  return `${name} is ${known} already, by ${by ?? 'the standard vocabulary'}`;
}

function readHandlers(
  source: Pick<MixerConfigSource, 'list'>,
  adapters: ReadonlyMap<string, Adapter>,
  reporter: (object: MixerObject) => ReportProblem,
): ReadonlyMap<string, HandlerConfig> {
  const handlers = new Map<string, HandlerConfig>();
  const add = (object: MixerObject, adapter: Adapter, params: unknown, paramsPath: string): void => {
    const name = `${object.metadata.name}.${object.kind}.${object.metadata.namespace}`;
    handlers.set(name, { name, adapter, params: params ?? {}, paramsPath, object });
  };
  for (const object of source.list('handler')) {
    const spec = new ObjectReader(object.spec, 'spec', reporter(object));
    spec.string('name');
    const compiled = spec.string('compiledAdapter');
    if (spec.has('adapter'))
      spec.problem('adapter', 'adapters in processes of their own are not supported', 'use compiledAdapter');
    spec.raw('connection');
    const params = spec.raw('params');
    spec.end();
    if (compiled === undefined) {
      if (!spec.has('adapter')) spec.problem('compiledAdapter', 'is missing');
      continue;
    }
    const adapter = adapters.get(compiled);
    if (adapter) add(object, adapter, params, 'spec.params');
    else
      spec.problem(
        'compiledAdapter',
        `unknown adapter ${JSON.stringify(compiled)}`,
        suggestion(compiled, adapters.keys()),
      );
  }
  for (const kind of ['prometheus', 'stdio', 'denier'] as const) {
    const adapter = adapters.get(kind);
    if (adapter) for (const object of source.list(kind)) add(object, adapter, object.spec, 'spec');
  }
  return handlers;
}

function readInstances(
  source: Pick<MixerConfigSource, 'list'>,
  vocabulary: AttributeVocabulary,
  reporter: (object: MixerObject) => ReportProblem,
): ReadonlyMap<string, CompiledInstance> {
  const instances = new Map<string, CompiledInstance>();
  const add = (object: MixerObject, template: TemplateName, params: ObjectReader): void => {
    const name = `${object.metadata.name}.${object.kind}.${object.metadata.namespace}`;
    const instance = compileInstance(template, params, { name, vocabulary, report: reporter(object) });
    params.end();
    if (instance) instances.set(name, instance);
  };
  for (const object of source.list('instance')) {
    const report = reporter(object);
    const spec = new ObjectReader(object.spec, 'spec', report);
    spec.string('name');
    const compiled = spec.string('compiledTemplate');
    if (spec.has('template'))
      spec.problem('template', 'templates of other processes are not supported', 'use compiledTemplate');
    spec.raw('attributeBindings');
    const params = new ObjectReader(spec.raw('params') ?? {}, 'spec.params', report);
    spec.end();
    const template = TEMPLATES.find((known) => known === compiled);
    if (template) add(object, template, params);
    else if (compiled !== undefined)
      spec.problem('compiledTemplate', `unknown template ${JSON.stringify(compiled)}`, suggestion(compiled, TEMPLATES));
    else if (!spec.has('template')) spec.problem('compiledTemplate', 'is missing');
  }
  for (const template of TEMPLATES) {
    for (const object of source.list(template))
      add(object, template, new ObjectReader(object.spec ?? {}, 'spec', reporter(object)));
  }
  return instances;
}

function suggestion(word: string, known: Iterable<string>): string {
  const all = [...known];
  const near = closest(word, all);
  return near ? `did you mean ${near}?` : `known are ${all.join(', ')}`;
}

/** @returns undefined when no rule uses the handler, or its parameters are wrong. */
function planHandler(
  config: HandlerConfig,
  rules: readonly CompiledRule[],
  exported: Map<string, string>,
  report: ReportProblem,
): PlannedHandler | undefined {
  const { name, adapter, params, paramsPath } = config;
  const used = rules.flatMap((rule) => rule.actions).filter((action) => action.handler === name);
  const shapes = [
    ...new Map(used.flatMap((action) => action.instances).map(({ shape }) => [shape.name, shape])).values(),
  ];
  let sound = true;
  const noting: ReportProblem = (...problem) => {
    sound = false;
    report(...problem);
  };
  const plan = adapter.plan(new ObjectReader(params, paramsPath, noting), shapes);
  for (const metric of plan.exports) {
    const other = exported.get(metric);
    if (other !== undefined) noting(paramsPath, `${metric} is exported by ${other} already`);
    else exported.set(metric, name);
  }
  if (!sound || used.length === 0) return undefined;
  const signature = JSON.stringify([adapter.name, params, shapes.toSorted((a, b) => (a.name < b.name ? -1 : 1))]);
  return { name, adapter, signature, plan };
}

/** For tests and callers that have all objects in one list. */
export function sourceOf(objects: readonly MixerObject[]): MixerConfigSource {
  const byKind = new Map(MIXER_KINDS.map((kind) => [kind, objects.filter((object) => object.kind === kind)]));
  return { list: (kind) => byKind.get(kind) ?? [], subscribe: () => () => {} };
}
