/**
 * Rules of Mixer that deny: rule → checknothing → denier. They are decided by the sidecar that is asked, without a call.
 * What a sidecar can not decide stays with callers of Mixer's Check, and is said.
 */
import type { Problem } from '@weft/config';
import { REPORTED_ATTRIBUTES, STANDARD_ATTRIBUTES } from '@weft/contracts';
import type { ConfigObject } from '@weft/contracts/config';
import { attributesOf, checkExpression, ExpressionError, parseExpression, type Expression } from '@weft/expr';
import type { Config, SourceRef } from '../config-store/config-object.ts';
import { buildMeshConfig, type MeshConfig } from '../config-store/mesh-config.ts';
import { problemIn } from '../config-store/problem-in.ts';
import { decide, Undecidable } from './decide.ts';

export interface Denial {
  readonly name: string;
  readonly namespace: string;
  readonly ref: SourceRef;
  /** Undefined: every request. */
  readonly match: Expression | undefined;
  /** Whether it matters who asks. */
  readonly readsSource: boolean;
}

export interface MixerVerdict {
  /** Sorted by namespace and name. */
  readonly denials: readonly Denial[];
  readonly problems: readonly Problem[];
}

/** google.rpc PERMISSION_DENIED: the status whose HTTP form is 403, which is what a sidecar answers. */
const PERMISSION_DENIED = 7;
/** What the adapter answers when its status is not given. */
const DEFAULT_STATUS = 9;

export function readDenials(config: MeshConfig): MixerVerdict {
  const deniers = new Map(
    config.mixerHandlers.flatMap((handler) => {
      const { kind } = handler.ref;
      const { compiledAdapter, params = {} } = handler.spec as HandlerShape;
      if (kind !== 'denier' && compiledAdapter !== 'denier') return [];
      const { status } = (kind === 'denier' ? handler.spec : params) as DenierShape;
      return [[fullName(handler), status?.code ?? DEFAULT_STATUS] as const];
    }),
  );
  const checks = new Set(
    config.mixerInstances
      .filter(
        ({ ref, spec }) => ref.kind === 'checknothing' || (spec as InstanceShape).compiledTemplate === 'checknothing',
      )
      .map(fullName),
  );
  const denials: Denial[] = [];
  const problems: Problem[] = [];
  for (const rule of config.mixerRules) {
    const { match = '', actions = [] } = rule.spec as RuleShape;
    const denying = actions.flatMap(({ handler, instances = [] }) => {
      const denier = resolve(handler, 'handler', 'denier', rule.namespace, deniers);
      const asks = instances.some(
        (instance) => resolve(instance, 'instance', 'checknothing', rule.namespace, checks) !== undefined,
      );
      return denier !== undefined && asks ? [deniers.get(denier) ?? DEFAULT_STATUS] : [];
    });
    const missing = unreported(rule, actions, match, config);
    if (denying.length < actions.length && missing.length > 0) {
      problems.push(
        problem(
          rule,
          `what it reports of requests between workloads lacks ${missing.join(', ')}, which sidecars do not send`,
          'Give another value after "|", or leave it out.',
        ),
      );
    }
    if (denying.length === 0) continue;
    const expression = readMatch(match);
    if (typeof expression === 'string') {
      problems.push(
        problem(
          rule,
          `sidecars do not enforce it: ${expression}; it holds for callers of Mixer's Check on the mesh port alone`,
          'Match on labels, names and namespaces of workloads and on headers, method, host and path; or write an AuthorizationPolicy.',
          'spec.match',
        ),
      );
      continue;
    }
    if (denying.some((code) => code !== PERMISSION_DENIED)) {
      problems.push(
        problem(
          rule,
          'sidecars answer what it denies with 403, whatever status its handler has',
          `Use status code ${PERMISSION_DENIED} (permission denied), which is 403.`,
        ),
      );
    }
    const { namespace, name, ref } = rule;
    const readsSource = expression !== undefined && attributesOf(expression).some((one) => one.startsWith('source.'));
    denials.push({ name, namespace, ref, match: expression, readsSource });
  }
  const order = (a: Denial, b: Denial): number =>
    a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : a.name < b.name ? -1 : 1;
  return { denials: denials.toSorted(order), problems };
}

/** What is to be said of the rules among these objects, before they are in effect. */
export const mixerProblems = (objects: readonly ConfigObject[]): readonly Problem[] =>
  readDenials(buildMeshConfig(objects)).problems;

interface HandlerShape {
  readonly compiledAdapter?: string;
  readonly params?: unknown;
}
interface DenierShape {
  readonly status?: { readonly code?: number };
}
interface InstanceShape {
  readonly compiledTemplate?: string;
}
interface RuleShape {
  readonly match?: string;
  readonly actions?: readonly { readonly handler: string; readonly instances?: readonly string[] }[];
}

/** Attributes that the match or the reported instances read and that no sidecar sends. */
function unreported(
  { namespace }: Config<unknown>,
  actions: NonNullable<RuleShape['actions']>,
  match: string,
  config: MeshConfig,
): readonly string[] {
  const reports = new Map(
    config.mixerInstances
      .filter(
        ({ ref, spec }) => ref.kind !== 'checknothing' && (spec as InstanceShape).compiledTemplate !== 'checknothing',
      )
      .map((instance) => [fullName(instance), instance.spec] as const),
  );
  const used = actions.flatMap(({ instances = [] }) =>
    instances.flatMap((instance) => {
      const name = ['metric', 'logentry']
        .map((kind) => resolve(instance, 'instance', kind, namespace, reports))
        .find((found) => found !== undefined);
      return name === undefined ? [] : [reports.get(name)];
    }),
  );
  if (used.length === 0) return [];
  const read = new Set([match, ...used.flatMap(textsOf)].flatMap(attributesIn));
  return [...read].filter((name) => !REPORTED_ATTRIBUTES.has(name));
}

const textsOf = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(textsOf)
      : [];

/** What is no expression, as a template's name, reads nothing; what is a wrong one is somebody else's to say. */
function attributesIn(text: string): readonly string[] {
  try {
    const expression = parseExpression(text);
    return expression.kind === 'attribute' && !expression.name.includes('.') ? [] : attributesOf(expression);
  } catch {
    return [];
  }
}

const fullName = ({ ref, name, namespace }: Config<unknown>): string => `${name}.${ref.kind}.${namespace}`;

/** `a`: in the rule's namespace; `a.b`: kind b there, else namespace b; `a.b.c` is the full name. */
function resolve(
  reference: string,
  kind: string,
  legacyKind: string,
  namespace: string,
  named: { has(name: string): boolean },
): string | undefined {
  const dots = reference.split('.').length - 1;
  const candidates =
    dots === 0
      ? [`${reference}.${kind}.${namespace}`, `${reference}.${legacyKind}.${namespace}`]
      : dots === 1
        ? [`${reference}.${namespace}`, reference.replace('.', `.${kind}.`), reference.replace('.', `.${legacyKind}.`)]
        : [reference];
  return candidates.find((candidate) => named.has(candidate));
}

/** @returns the expression, undefined for one that always holds, or in words why a sidecar can not decide it. */
function readMatch(text: string): Expression | undefined | string {
  const bare = text.trim();
  if (bare === '' || bare.toLowerCase() === 'true') return undefined;
  try {
    const expression = parseExpression(bare);
    const { type } = checkExpression(expression, STANDARD_ATTRIBUTES);
    if (type !== 'BOOL') return `its match gives ${type}`;
    decide(expression, { source: {}, destination: {}, traffic: 'http' });
    return expression;
  } catch (error) {
    if (error instanceof Undecidable) return `its match reads ${error.what}, which a sidecar does not know`;
    if (error instanceof ExpressionError) return `its match is wrong: ${error.message}`;
    throw error;
  }
}

const problem = (config: Config<unknown>, message: string, fix: string, path = 'spec.actions'): Problem =>
  problemIn(config, { code: 'W0031', severity: 'warning', path, message, fix });
