import {
  type ComparisonFilter,
  ComparisonFilter_Op as Op,
  type AccessLogFilter,
} from '@weft/contracts/lean/envoy/config/accesslog/v3/accesslog';
import { AccessLogType } from '@weft/contracts/lean/envoy/data/accesslog/v3/accesslog';
import { ExpressionFilterSchema } from '@weft/contracts/lean/envoy/extensions/access_loggers/filters/cel/v3/cel';
import { compileHeaderMatcher, ConfigRejectedError, fractionOf, type RegexEngine } from '@weft/evaluator';
import type { Random } from '@weft/kit';
import type { RequestRecord } from '../request-record.ts';
import { FLAG_NAMES } from '../response-flags.ts';
import { unpack } from '../runtime/any.ts';
import type { Wanted } from './captures.ts';
import { compileRecordExpression } from './expressions.ts';
import { requestHeader } from './header-values.ts';

export type LogFilter = (record: RequestRecord) => boolean;

/** What filters need beside the record. */
export interface FilterContext {
  readonly resource: string;
  readonly wanted: Wanted;
  readonly regex: RegexEngine;
  readonly random: Random;
}

const MAX_DEPTH = 32;

/** @returns undefined when everything is logged. */
export function compileFilter(
  filter: AccessLogFilter | undefined,
  context: FilterContext,
  depth = 0,
): LogFilter | undefined {
  if (filter === undefined) return undefined;
  const { resource } = context;
  const refuse = (what: string): never => {
    throw new ConfigRejectedError(resource, `access log filter: ${what}`);
  };
  if (depth > MAX_DEPTH) return refuse('is nested too deeply');
  const { filterSpecifier } = filter;
  switch (filterSpecifier.case) {
    case 'responseFlagFilter':
      return flagFilter(filterSpecifier.value.flags, resource);
    case 'statusCodeFilter':
      return compare(filterSpecifier.value.comparison, ({ code }) => code, 'status_code_filter', resource);
    case 'durationFilter':
      return compare(filterSpecifier.value.comparison, ({ durationMs }) => durationMs, 'duration_filter', resource);
    case 'notHealthCheckFilter':
      // Health checks of the mesh do not come this way.
      return () => true;
    case 'traceableFilter':
      return ({ traceId }) => traceId !== '';
    case 'runtimeFilter': {
      const fraction =
        filterSpecifier.value.percentSampled === undefined ? 0 : fractionOf(filterSpecifier.value.percentSampled);
      const { random } = context;
      return () => fraction >= 1 || (fraction > 0 && random.next() < fraction);
    }
    case 'andFilter': {
      const all = filterSpecifier.value.filters.map((one) => compileFilter(one, context, depth + 1));
      return (record) => all.every((passes) => passes === undefined || passes(record));
    }
    case 'orFilter': {
      const any = filterSpecifier.value.filters.map((one) => compileFilter(one, context, depth + 1));
      return (record) => any.some((passes) => passes === undefined || passes(record));
    }
    case 'headerFilter':
      return headerFilter(filterSpecifier.value.header ?? refuse('header_filter has no header'), context);
    case 'grpcStatusFilter': {
      const { statuses, exclude } = filterSpecifier.value;
      const wanted = new Set<number>(statuses);
      return ({ grpcStatus }) => wanted.has(grpcStatus) !== exclude;
    }
    case 'metadataFilter':
      // Nothing here sets dynamic metadata: no key is found.
      return () => filterSpecifier.value.matchIfKeyNotFound ?? true;
    case 'logTypeFilter': {
      const { types, exclude } = filterSpecifier.value;
      const wanted = new Set<AccessLogType>(types);
      return ({ protocol }) =>
        wanted.has(protocol === 'TCP' ? AccessLogType.TcpConnectionEnd : AccessLogType.DownstreamEnd) !== exclude;
    }
    case 'extensionFilter': {
      const { name, configType } = filterSpecifier.value;
      const message = unpack(configType.value, ExpressionFilterSchema, resource);
      if (message === undefined) return refuse(`"${name}" is of a kind that is not supported`);
      const evaluate = compileRecordExpression(message.expression, context.wanted, resource);
      return (record) => evaluate(record) === true;
    }
    case undefined:
      throw new ConfigRejectedError(resource, 'access log filter is of a kind that is not supported');
  }
}

function compare(
  comparison: ComparisonFilter | undefined,
  read: (record: RequestRecord) => number,
  name: string,
  resource: string,
): LogFilter {
  const wanted = comparison?.value?.defaultValue;
  if (comparison === undefined || wanted === undefined)
    throw new ConfigRejectedError(resource, `access log ${name} has no comparison value`);
  switch (comparison.op) {
    case Op.EQ:
      return (record) => read(record) === wanted;
    case Op.GE:
      return (record) => read(record) >= wanted;
    case Op.LE:
      return (record) => read(record) <= wanted;
  }
}

/** The record stands in for the request: it has the header that the matcher asks for, and nothing else. */
function headerFilter(
  matcher: Parameters<typeof compileHeaderMatcher>[0],
  { wanted, regex, resource }: FilterContext,
): LogFilter {
  const test = compileHeaderMatcher(matcher, regex, { resource, path: 'header_filter' });
  const read = requestHeader(matcher.name, wanted);
  return (record) => {
    const mark = record.path.indexOf('?');
    return test({
      method: record.method,
      path: mark < 0 ? record.path : record.path.slice(0, mark),
      query: mark < 0 ? '' : record.path.slice(mark + 1),
      authority: record.authority,
      scheme: record.scheme,
      header: () => read(record),
    });
  };
}

function flagFilter(names: readonly string[], resource: string): LogFilter {
  if (names.length === 0) return (record) => record.flags !== 0;
  const known: readonly string[] = FLAG_NAMES;
  const bits = names.reduce((set, name) => {
    const bit = known.indexOf(name);
    // Known to Envoy, and never set by what this proxy does.
    if (bit === -1 && ['RLSE', 'RFCF', 'NFCF', 'UDO'].includes(name)) return set;
    if (bit === -1) throw new ConfigRejectedError(resource, `access log response flag "${name}" is not known`);
    return set | (1 << bit);
  }, 0);
  return (record) => (record.flags & bits) !== 0;
}
