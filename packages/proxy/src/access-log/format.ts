import type { SubstitutionFormatString } from '@weft/contracts/lean/envoy/config/core/v3/substitution_format_string';
import { ConfigRejectedError } from '@weft/evaluator';
import type { RequestRecord } from '../request-record.ts';
import type { LogValue, Operator, OperatorContext } from './log-value.ts';
import { compileOperator } from './operators.ts';

/** One line with its line break. */
export type LineFormat = (record: RequestRecord) => string;

/** Istio's default, field for field. */
export const DEFAULT_TEXT_FORMAT = [
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS%',
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%"',
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW%',
  '%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME%',
  '%ROUTE_NAME%\n',
].join(' ');

// Everything a peer may send that would end a line, move a cursor or close a quote.
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\x00-\x1f"\x7f-\x9f]/;
// oxlint-disable-next-line no-control-regex
const EVERY_UNSAFE = /[\x00-\x1f"\x7f-\x9f]/g;
const escapeText = (text: string): string => (UNSAFE.test(text) ? escapeUnsafe(text) : text);
const escapeUnsafe = (text: string): string =>
  text.replace(EVERY_UNSAFE, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`);

/** A part of a format: fixed text, or an operator. */
type Part = string | Operator;

/** Splits at `%…%`; `%%` is a percent sign. Parentheses may hold percent signs, as in `%START_TIME(%s)%`. */
export function parseFormat(format: string, context: OperatorContext): Part[] {
  const parts: Part[] = [];
  let text = '';
  let at = 0;
  while (at < format.length) {
    if (format[at] !== '%') {
      text += format[at] ?? '';
      at += 1;
      continue;
    }
    if (format[at + 1] === '%') {
      text += '%';
      at += 2;
      continue;
    }
    const end = endOfOperator(format, at + 1);
    if (end === -1)
      throw new ConfigRejectedError(context.resource, `access log format has a "%" without its pair at ${at}`);
    if (text !== '') parts.push(text);
    text = '';
    parts.push(compileOperator(format.slice(at + 1, end), context));
    at = end + 1;
  }
  if (text !== '') parts.push(text);
  return parts;
}

function endOfOperator(format: string, from: number): number {
  let inside = false;
  for (let at = from; at < format.length; at += 1) {
    const char = format[at];
    if (char === '(') inside = true;
    else if (char === ')') inside = false;
    else if (char === '%' && !inside) return at;
  }
  return -1;
}

export function textFormat(format: string, context: OperatorContext, omitEmpty = false): LineFormat {
  const parts = parseFormat(format.endsWith('\n') ? format : `${format}\n`, context);
  const missing = omitEmpty ? '' : '-';
  return (record) => {
    let line = '';
    for (const part of parts) line += typeof part === 'string' ? part : printed(part(record), missing);
    return line;
  };
}

function printed(value: LogValue, missing: string): string {
  if (value === undefined) return missing;
  return typeof value === 'string' ? escapeText(value) : textOf(value);
}

const textOf = (value: NonNullable<LogValue>): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value);

type JsonTree = { readonly [key: string]: unknown };
type Filled = (record: RequestRecord) => unknown;

export interface JsonOptions {
  readonly omitEmpty?: boolean;
  readonly sorted?: boolean;
}

export function jsonFormat(tree: JsonTree, context: OperatorContext, options: JsonOptions = {}): LineFormat {
  const fill = compileObject(tree, context, options);
  return (record) => `${JSON.stringify(fill(record))}\n`;
}

function compileObject(tree: JsonTree, context: OperatorContext, options: JsonOptions): Filled {
  const fields = Object.entries(tree).map(([key, value]) => [key, compileValue(value, context, options)] as const);
  if (options.sorted) fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return (record) => {
    const out: Record<string, unknown> = {};
    for (const [key, fill] of fields) {
      const value = fill(record);
      if (value !== null || !options.omitEmpty) out[key] = value;
    }
    return out;
  };
}

function compileValue(value: unknown, context: OperatorContext, options: JsonOptions): Filled {
  if (Array.isArray(value)) {
    const items = value.map((item) => compileValue(item, context, options));
    return (record) => items.map((fill) => fill(record));
  }
  if (typeof value === 'object' && value !== null) return compileObject(value as JsonTree, context, options);
  if (typeof value !== 'string') return () => value;
  const parts = parseFormat(value, context);
  const [only] = parts;
  // One operator alone keeps its type.
  if (parts.length === 1 && typeof only === 'function') return (record) => only(record) ?? null;
  const missing = options.omitEmpty ? '' : '-';
  return (record) => {
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : textOf(part(record) ?? missing);
    return text;
  };
}

/** @throws {ConfigRejectedError} for formats from files and operators that are not known. */
export function compileFormat(format: SubstitutionFormatString | undefined, context: OperatorContext): LineFormat {
  if (format === undefined) return textFormat(DEFAULT_TEXT_FORMAT, context);
  const { omitEmptyValues: omitEmpty } = format;
  switch (format.format.case) {
    case 'textFormat':
      return textFormat(format.format.value, context, omitEmpty);
    case 'jsonFormat':
      return jsonFormat(format.format.value, context, {
        omitEmpty,
        sorted: format.jsonFormatOptions?.sortProperties ?? false,
      });
    case 'textFormatSource':
      if (format.format.value.specifier.case === 'inlineString') {
        return textFormat(format.format.value.specifier.value, context, omitEmpty);
      }
      throw new ConfigRejectedError(context.resource, 'access log text_format_source must be inline_string');
    case undefined:
      throw new ConfigRejectedError(
        context.resource,
        'access log format is not set, or of a kind that is not supported',
      );
  }
}
