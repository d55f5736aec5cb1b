/** The one interface of adapters: code that a handler configures. */
import type { Clock, Logger } from '@weft/kit';
import type { ObjectReader } from '../rules/object-reader.ts';
import type { InstanceShape, InstanceValue, TemplateName } from '../rules/templates.ts';

/** A google.rpc code with its message. */
export interface Status {
  readonly code: number;
  readonly message: string;
}

export interface CheckVerdict {
  readonly status: Status;
  /** How long the verdict holds, and for how many requests (below 0: without limit). 0 of either: this request only. */
  readonly validDurationMs: number;
  readonly validUseCount: number;
}

export interface AdapterDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where `stdio` writes; whole lines. */
  readonly output: { readonly stdout: (line: string) => void; readonly stderr: (line: string) => void };
}

/** A configured adapter. */
export interface Handler {
  check?(instance: InstanceValue): CheckVerdict | Promise<CheckVerdict>;
  report?(instances: readonly InstanceValue[]): void;
  /** Prometheus exposition of what the handler measures. */
  metrics?(): Promise<string>;
  /** Names that no other handler may use at the same time. */
  readonly exports?: readonly string[];
  close(): void;
}

/** Parameters that were read without a problem, ready to become a handler. */
export interface HandlerPlan {
  readonly exports: readonly string[];
  create(deps: AdapterDeps): Handler;
}

export interface Adapter {
  readonly name: string;
  readonly templates: readonly TemplateName[];
  /** Reads the parameters and reports what is wrong with them. @param instances all that rules send to this handler. */
  plan(params: ObjectReader, instances: readonly InstanceShape[]): HandlerPlan;
}
