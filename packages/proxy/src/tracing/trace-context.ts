// Trace contexts as they travel in headers: W3C, B3 in one header, B3 in several.

export interface TraceContext {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 digits: the caller's span, parent of ours. */
  readonly spanId: string;
  /** undefined: the caller left it to us. */
  readonly sampled: boolean | undefined;
}

/** Headers in which contexts came; the answer goes out in the same, and in W3C's form always. */
export interface CarriedContext {
  /** undefined when only a decision came, without ids (`b3: 0`, `x-b3-sampled`). */
  readonly context: TraceContext | undefined;
  readonly sampled: boolean | undefined;
  readonly b3Single: boolean;
  readonly b3Multi: boolean;
}

export interface HeaderLookup {
  get(name: string): string | undefined;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const B3_SINGLE = /^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d]))?(?:-[0-9a-f]{16})?$/;
const HEX_128_OR_64 = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/;
const HEX_64 = /^[0-9a-f]{16}$/;
const ZEROS = /^0+$/;

/** W3C first, then B3 in one header, then in several. A context that is not valid is as if it were not there. */
export function readContext(head: HeaderLookup): CarriedContext {
  const traceparent = head.get('traceparent');
  const single = head.get('b3');
  const traceId = head.get('x-b3-traceid');
  const sampledText = head.get('x-b3-sampled');
  const flags = head.get('x-b3-flags');
  const w3c = traceparent === undefined ? undefined : readTraceparent(traceparent);
  const b3 = single === undefined ? undefined : readB3Single(single);
  const multi = traceId === undefined ? undefined : readB3Multi(traceId, head.get('x-b3-spanid'), sampledText, flags);
  const context = w3c ?? b3 ?? multi;
  return {
    context,
    sampled: context?.sampled ?? decisionOnly(single, sampledText, flags),
    b3Single: single !== undefined,
    b3Multi: traceId !== undefined || sampledText !== undefined || flags !== undefined,
  };
}

function readTraceparent(text: string): TraceContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(text) ?? [];
  // Version ff is invalid; version 00 has exactly four fields (W3C Trace Context §3.2.2).
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

function readB3Single(text: string): TraceContext | undefined {
  const [, traceId, spanId = '', state] = B3_SINGLE.exec(text.toLowerCase()) ?? [];
  if (traceId === undefined || ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId: traceId.padStart(32, '0'), spanId, sampled: state === undefined ? undefined : state !== '0' };
}

function readB3Multi(
  traceId: string,
  spanId: string | undefined,
  sampled: string | undefined,
  flags: string | undefined,
): TraceContext | undefined {
  const [trace, span] = [traceId.toLowerCase(), (spanId ?? '').toLowerCase()];
  if (!HEX_128_OR_64.test(trace) || !HEX_64.test(span) || ZEROS.test(trace) || ZEROS.test(span)) return undefined;
  return { traceId: trace.padStart(32, '0'), spanId: span, sampled: multiDecision(sampled, flags) };
}

function multiDecision(sampled: string | undefined, flags: string | undefined): boolean | undefined {
  if (flags === '1') return true;
  if (sampled === '1' || sampled === 'true') return true;
  return sampled === '0' || sampled === 'false' ? false : undefined;
}

function decisionOnly(
  single: string | undefined,
  sampled: string | undefined,
  flags: string | undefined,
): boolean | undefined {
  if (single === '0') return false;
  if (single === '1' || single === 'd') return true;
  return multiDecision(sampled, flags);
}

export interface OutgoingContext {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentId: string;
  readonly sampled: boolean;
}

export interface HeaderEdits extends HeaderLookup {
  set(name: string, value: string): void;
  remove(name: string): void;
}

/** Writes a context into the forms that came in; W3C and B3 in several headers when none came. */
export function writeContext(head: HeaderEdits, out: OutgoingContext, carried: CarriedContext): void {
  const flag = out.sampled ? '1' : '0';
  head.set('traceparent', `00-${out.traceId}-${out.spanId}-0${flag}`);
  if (carried.b3Single) {
    const parent = out.parentId === '' ? '' : `-${out.parentId}`;
    head.set('b3', `${out.traceId}-${out.spanId}-${flag}${parent}`);
  }
  if (!carried.b3Multi && carried.b3Single) return;
  head.set('x-b3-traceid', out.traceId);
  head.set('x-b3-spanid', out.spanId);
  if (out.parentId !== '') head.set('x-b3-parentspanid', out.parentId);
  else head.remove('x-b3-parentspanid');
  head.set('x-b3-sampled', flag);
}
