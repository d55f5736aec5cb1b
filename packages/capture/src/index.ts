/** Redirect rules for the network namespace of a workload. Answers to DNS are in `@weft/capture/dns`. */
export {
  buildRedirectPlan,
  OWN_PORTS,
  type InboundSelection,
  type OutboundSelection,
  type ProxyOwner,
  type RedirectPlan,
  type RedirectPlanInput,
} from './plan/redirect-plan.ts';
export type { Cidr, Family } from './plan/cidr.ts';
export { captureTexts, type CaptureTexts } from './rules/capture-texts.ts';
export { applyCapture, removeCapture, type AppliedCapture, type ApplyOptions } from './apply/apply-capture.ts';
export type { BackendName } from './apply/backends.ts';
export { processExecutor, type CommandResult, type Executor } from './apply/executor.ts';
