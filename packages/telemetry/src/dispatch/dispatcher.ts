/** Runs the plan: which rules hold for a request, what their handlers get, and what they all say together. */
import { type Clock, errorMessage, type Logger } from '@weft/kit';
import { type AttributeBag, EvaluationFailure } from '@weft/expr';
import type { AdapterDeps, CheckVerdict, Handler, Status } from '../adapters/adapter.ts';
import type { Plan, PlannedHandler } from '../rules/plan.ts';
import type { CompiledRule, HeaderOperation } from '../rules/rule.ts';
import { type CompiledInstance, InstanceFailure, type InstanceValue, VARIETY } from '../rules/templates.ts';
import type { SelfMetrics } from './self-metrics.ts';

export interface HeaderChange {
  readonly name: string;
  readonly value: string;
  readonly operation: HeaderOperation['operation'];
}

export interface CheckOutcome {
  readonly status: Status;
  readonly validDurationMs: number;
  readonly validUseCount: number;
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
}

export interface Dispatcher {
  /** Handlers whose adapter, parameters and instances did not change go on with what they have. */
  setPlan(plan: Plan): void;
  plan(): Plan;
  check(bag: AttributeBag): Promise<CheckOutcome>;
  /** All bags of one report: each handler is called once. */
  report(bags: readonly AttributeBag[]): void;
  /** Prometheus exposition of all handlers. */
  metrics(): Promise<string>;
  close(): void;
}

export interface DispatcherDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly adapterDeps: AdapterDeps;
  readonly metrics: SelfMetrics;
  readonly rootNamespaces: readonly string[];
  readonly adapterTimeoutMs: number;
}

const OK = 0;
const INTERNAL = 13;
const DEADLINE_EXCEEDED = 4;
/** When no handler had a say. */
const UNDECIDED = { validDurationMs: 60_000, validUseCount: 10_000 };

interface LiveHandler {
  readonly planned: PlannedHandler;
  readonly handler: Handler;
}

const EMPTY_PLAN: Plan = { handlers: new Map(), rules: [], problems: [] };

export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { clock, logger, metrics, rootNamespaces } = deps;
  let plan = EMPTY_PLAN;
  let live: ReadonlyMap<string, LiveHandler> = new Map();

  const matching = (bag: AttributeBag): readonly CompiledRule[] => {
    const inScope = rulesInScope(plan.rules, scopeOf(bag), rootNamespaces);
    return inScope.filter((rule) => {
      const holds = rule.match?.evaluate(bag) ?? true;
      if (!(holds instanceof EvaluationFailure)) return holds === true;
      metrics.expressionFailed();
      logger.debug(
        { rule: `${rule.namespace}/${rule.name}`, reason: holds.message },
        'a match has no value and counts as false',
      );
      return false;
    });
  };

  const build = (instance: CompiledInstance, bag: AttributeBag): InstanceValue | undefined => {
    const value = instance.build(bag);
    if (!(value instanceof InstanceFailure)) return value;
    metrics.expressionFailed();
    logger.debug(
      { instance: instance.shape.name, field: value.field, reason: value.failure.message },
      'an instance has no value for this request',
    );
    return undefined;
  };

  const timed = async (target: LiveHandler, run: () => CheckVerdict | Promise<CheckVerdict>): Promise<CheckVerdict> => {
    const startMs = clock.now();
    const done = (failed: boolean): void =>
      metrics.dispatched(
        target.planned.name,
        target.planned.adapter.name,
        'check',
        (clock.now() - startMs) / 1000,
        failed,
      );
    try {
      const answer = run();
      const verdict = answer instanceof Promise ? await withDeadline(answer, clock, deps.adapterTimeoutMs) : answer;
      done(false);
      return verdict;
    } catch (error) {
      done(true);
      logger.error({ handler: target.planned.name, reason: errorMessage(error) }, 'an adapter failed to check');
      const code = error instanceof DeadlineError ? DEADLINE_EXCEEDED : INTERNAL;
      return { status: { code, message: errorMessage(error) }, validDurationMs: 0, validUseCount: 0 };
    }
  };

  return {
    setPlan(next) {
      const handlers = new Map<string, LiveHandler>();
      for (const [name, planned] of next.handlers) {
        const known = live.get(name);
        const keep = known?.planned.signature === planned.signature;
        const handler = keep ? known.handler : planned.plan.create(deps.adapterDeps);
        handlers.set(name, { planned, handler });
      }
      for (const [name, old] of live) if (handlers.get(name)?.handler !== old.handler) old.handler.close();
      live = handlers;
      plan = next;
      metrics.config(next.handlers.size, next.rules.length, next.problems.length);
    },
    plan: () => plan,
    async check(bag) {
      const rules = matching(bag);
      const pending: Promise<{ handler: string; verdict: CheckVerdict }>[] = [];
      for (const action of rules.flatMap((rule) => rule.actions)) {
        const target = live.get(action.handler);
        const check = target?.handler.check?.bind(target.handler);
        if (!target || !check) continue;
        for (const instance of action.instances) {
          if (VARIETY[instance.shape.template] !== 'check') continue;
          const value = build(instance, bag);
          if (!value) continue;
          pending.push(timed(target, () => check(value)).then((verdict) => ({ handler: action.handler, verdict })));
        }
      }
      const merged = mergeVerdicts(await Promise.all(pending));
      if (merged.status.code !== OK) return { ...merged, requestHeaders: [], responseHeaders: [] };
      return {
        ...merged,
        requestHeaders: rules.flatMap((rule) => headerChanges(rule.requestHeaders, bag)),
        responseHeaders: rules.flatMap((rule) => headerChanges(rule.responseHeaders, bag)),
      };
    },
    report(bags) {
      const batches = new Map<string, InstanceValue[]>();
      for (const bag of bags) {
        for (const action of matching(bag).flatMap((rule) => rule.actions)) {
          for (const instance of action.instances) {
            const value = VARIETY[instance.shape.template] === 'report' ? build(instance, bag) : undefined;
            if (!value) continue;
            const batch = batches.get(action.handler);
            if (batch) batch.push(value);
            else batches.set(action.handler, [value]);
          }
        }
      }
      for (const [name, instances] of batches) reportTo(live.get(name), instances, deps);
    },
    async metrics() {
      const pages = await Promise.all([...live.values()].map(async ({ handler }) => (await handler.metrics?.()) ?? ''));
      return pages.filter((page) => page !== '').join('\n');
    },
    close() {
      for (const { handler } of live.values()) handler.close();
      live = new Map();
      plan = EMPTY_PLAN;
    },
  };
}

function reportTo(target: LiveHandler | undefined, instances: readonly InstanceValue[], deps: DispatcherDeps): void {
  if (!target) return;
  const { clock, logger, metrics } = deps;
  const { name, adapter } = target.planned;
  const startMs = clock.now();
  let failed = false;
  try {
    target.handler.report?.(instances);
  } catch (error) {
    failed = true;
    logger.error({ handler: name, reason: errorMessage(error) }, 'an adapter failed to report');
  }
  metrics.dispatched(name, adapter.name, 'report', (clock.now() - startMs) / 1000, failed);
}

/** The namespace whose rules hold beside the mesh-wide ones: the callee's at an inbound proxy, the caller's at an outbound one. */
function scopeOf(bag: AttributeBag): string {
  const outbound = bag.get('context.reporter.kind') === 'outbound';
  const namespace = bag.get(outbound ? 'source.namespace' : 'destination.namespace');
  return typeof namespace === 'string' ? namespace : '';
}

/** Mesh-wide rules first, then those of the namespace. */
function rulesInScope(
  rules: readonly CompiledRule[],
  namespace: string,
  roots: readonly string[],
): readonly CompiledRule[] {
  const wide = roots.flatMap((root) => rules.filter((rule) => rule.namespace === root));
  return roots.includes(namespace) ? wide : [...wide, ...rules.filter((rule) => rule.namespace === namespace)];
}

/** One answer: the first refusal's code, all refusals' messages, the shortest validity. */
function mergeVerdicts(
  all: readonly { readonly handler: string; readonly verdict: CheckVerdict }[],
): Omit<CheckOutcome, 'requestHeaders' | 'responseHeaders'> {
  if (all.length === 0) return { status: { code: OK, message: '' }, ...UNDECIDED };
  const refusals = all.filter(({ verdict }) => verdict.status.code !== OK);
  const uses = all.map(({ verdict }) => verdict.validUseCount);
  const limited = uses.filter((count) => count >= 0);
  return {
    status: {
      code: refusals[0]?.verdict.status.code ?? OK,
      message: refusals.map(({ handler, verdict }) => `${shortName(handler)}:${verdict.status.message}`).join(', '),
    },
    validDurationMs: Math.min(...all.map(({ verdict }) => verdict.validDurationMs)),
    // Below 0 is "without limit", so only the others bound it.
    validUseCount: limited.length > 0 ? Math.min(...limited) : -1,
  };
}

/** `no-v3.handler.shop` → `no-v3.shop`. */
function shortName(handler: string): string {
  const parts = handler.split('.');
  return [parts[0], ...parts.slice(2)].join('.');
}

function headerChanges(operations: readonly HeaderOperation[], bag: AttributeBag): readonly HeaderChange[] {
  return operations.flatMap(({ name, operation, values }): readonly HeaderChange[] => {
    if (operation === 'REMOVE') return [{ name, value: '', operation }];
    return values.flatMap((expression) => {
      const value = expression.evaluate(bag);
      return typeof value === 'string' && value !== '' ? [{ name, value, operation }] : [];
    });
  });
}

class DeadlineError extends Error {}

function withDeadline<T>(answer: Promise<T>, clock: Clock, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => reject(new DeadlineError(`no answer within ${timeoutMs} ms`)));
    answer.then(resolve, reject).finally(() => timer.cancel());
  });
}
