/** Templates: the shapes that adapters take. An instance fills one from attributes. */
import type { AttributeVocabulary, ValueType } from '@weft/contracts';
import { type AttributeBag, EvaluationFailure, type Value } from '@weft/expr';
import { type BagExpression, compileField } from './expressions.ts';
import type { ObjectReader } from './object-reader.ts';
import type { ReportProblem } from './problem.ts';

export const TEMPLATES = ['metric', 'logentry', 'checknothing', 'reportnothing'] as const;
export type TemplateName = (typeof TEMPLATES)[number];
export type Variety = 'check' | 'report';

export const VARIETY: Readonly<Record<TemplateName, Variety>> = {
  metric: 'report',
  logentry: 'report',
  checknothing: 'check',
  reportnothing: 'report',
};

export interface TypedValue {
  readonly type: ValueType;
  readonly value: Value;
}

/** What an adapter gets. `name` is the full name, `requestcount.instance.istio-system`. */
export type InstanceValue =
  | {
      readonly template: 'metric';
      readonly name: string;
      readonly value: TypedValue;
      readonly dimensions: ReadonlyMap<string, TypedValue>;
    }
  | {
      readonly template: 'logentry';
      readonly name: string;
      readonly variables: ReadonlyMap<string, TypedValue>;
      /** Epoch milliseconds; undefined when the instance has no timestamp. */
      readonly timestampMs: number | undefined;
      readonly severity: string;
    }
  | { readonly template: 'checknothing' | 'reportnothing'; readonly name: string };

/** An instance as an adapter sees it at configuration time. */
export interface InstanceShape {
  readonly name: string;
  readonly template: TemplateName;
  /** Of `metric`. */
  readonly valueType?: ValueType;
  /** Names of dimensions or variables. */
  readonly fields: readonly string[];
}

export interface CompiledInstance {
  readonly shape: InstanceShape;
  /** @returns the first failure, when one field has no value: then nothing of the instance goes out. */
  build(bag: AttributeBag): InstanceValue | InstanceFailure;
}

export class InstanceFailure {
  readonly field: string;
  readonly failure: EvaluationFailure;

  constructor(field: string, failure: EvaluationFailure) {
    this.field = field;
    this.failure = failure;
  }
}

export interface TemplateContext {
  readonly name: string;
  readonly vocabulary: AttributeVocabulary;
  readonly report: ReportProblem;
}

/** @returns undefined when any field is wrong; all problems were reported. */
export function compileInstance(
  template: TemplateName,
  params: ObjectReader,
  context: TemplateContext,
): CompiledInstance | undefined {
  let sound = true;
  const noting: TemplateContext = {
    ...context,
    report: (...problem) => {
      sound = false;
      context.report(...problem);
    },
  };
  const instance = compileTemplate(template, params, noting);
  return sound ? instance : undefined;
}

function compileTemplate(
  template: TemplateName,
  params: ObjectReader,
  context: TemplateContext,
): CompiledInstance | undefined {
  switch (template) {
    case 'metric':
      return compileMetric(params, context);
    case 'logentry':
      return compileLogEntry(params, context);
    case 'checknothing':
    case 'reportnothing': {
      const value: InstanceValue = { template, name: context.name };
      return { shape: { name: context.name, template, fields: [] }, build: () => value };
    }
  }
}

function compileMetric(params: ObjectReader, context: TemplateContext): CompiledInstance | undefined {
  const { name } = context;
  const text = params.required('value');
  const value =
    text === undefined ? undefined : compileField(text, params.path('value'), context.vocabulary, context.report);
  const dimensions = compileMap('dimensions', params, context);
  checkMonitored(params, context);
  if (!value) return undefined;
  return {
    shape: { name, template: 'metric', valueType: value.type, fields: dimensions.map(([key]) => key) },
    build(bag) {
      const measured = value.evaluate(bag);
      if (measured instanceof EvaluationFailure) return new InstanceFailure('value', measured);
      const filled = fill(dimensions, bag);
      if (filled instanceof InstanceFailure) return filled;
      return { template: 'metric', name, value: { type: value.type, value: measured }, dimensions: filled };
    },
  };
}

function compileLogEntry(params: ObjectReader, context: TemplateContext): CompiledInstance {
  const { name, vocabulary, report } = context;
  const single = (field: string, type: ValueType): BagExpression | undefined => {
    const text = params.string(field);
    return text === undefined || text === ''
      ? undefined
      : compileField(text, params.path(field), vocabulary, report, type);
  };
  const variables = compileMap('variables', params, context);
  const timestamp = single('timestamp', 'TIMESTAMP');
  const severity = single('severity', 'STRING');
  checkMonitored(params, context);
  return {
    shape: { name, template: 'logentry', fields: variables.map(([key]) => key) },
    build(bag) {
      const filled = fill(variables, bag);
      if (filled instanceof InstanceFailure) return filled;
      const time = timestamp?.evaluate(bag);
      if (time instanceof EvaluationFailure) return new InstanceFailure('timestamp', time);
      const level = severity?.evaluate(bag);
      if (level instanceof EvaluationFailure) return new InstanceFailure('severity', level);
      return {
        template: 'logentry',
        name,
        variables: filled,
        timestampMs: typeof time === 'number' ? time : undefined,
        severity: typeof level === 'string' ? level : '',
      };
    },
  };
}

type Fields = readonly (readonly [name: string, expression: BagExpression])[];

function compileMap(field: string, params: ObjectReader, { vocabulary, report }: TemplateContext): Fields {
  return [...params.stringMap(field)].flatMap(([key, text]) => {
    const where = `${params.path(field)}[${JSON.stringify(key)}]`;
    const compiled = compileField(text, where, vocabulary, report);
    return compiled ? [[key, compiled] as const] : [];
  });
}

/** Fields for Google's monitoring: checked, and of no use to the adapters here. */
function checkMonitored(params: ObjectReader, context: TemplateContext): void {
  const type = params.string('monitoredResourceType');
  if (type) compileField(type, params.path('monitoredResourceType'), context.vocabulary, context.report, 'STRING');
  compileMap('monitoredResourceDimensions', params, context);
}

function fill(fields: Fields, bag: AttributeBag): ReadonlyMap<string, TypedValue> | InstanceFailure {
  const filled = new Map<string, TypedValue>();
  for (const [name, expression] of fields) {
    const value = expression.evaluate(bag);
    if (value instanceof EvaluationFailure) return new InstanceFailure(name, value);
    filled.set(name, { type: expression.type, value });
  }
  return filled;
}
