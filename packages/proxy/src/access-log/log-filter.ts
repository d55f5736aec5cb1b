import {
  ComparisonFilter_Op as Op,
  type AccessLogFilter,
} from '@weft/contracts/lean/envoy/config/accesslog/v3/accesslog';
import { ConfigRejectedError } from '@weft/evaluator';
import type { RequestRecord } from '../request-record.ts';
import { FLAG_NAMES } from '../response-flags.ts';

export type LogFilter = (record: RequestRecord) => boolean;

/** @returns undefined when everything is logged. */
export function compileFilter(filter: AccessLogFilter | undefined, resource: string): LogFilter | undefined {
  if (filter === undefined) return undefined;
  const { filterSpecifier } = filter;
  switch (filterSpecifier.case) {
    case 'responseFlagFilter':
      return flagFilter(filterSpecifier.value.flags, resource);
    case 'statusCodeFilter': {
      const { comparison } = filterSpecifier.value;
      const wanted = comparison?.value?.defaultValue;
      if (comparison === undefined || wanted === undefined) {
        throw new ConfigRejectedError(resource, 'access log status_code_filter has no comparison value');
      }
      return compare(comparison.op, wanted);
    }
    case undefined:
      throw new ConfigRejectedError(resource, 'access log filter is of a kind that is not supported');
  }
}

function compare(op: Op, wanted: number): LogFilter {
  switch (op) {
    case Op.EQ:
      return (record) => record.code === wanted;
    case Op.GE:
      return (record) => record.code >= wanted;
    case Op.LE:
      return (record) => record.code <= wanted;
  }
}

function flagFilter(names: readonly string[], resource: string): LogFilter {
  if (names.length === 0) return (record) => record.flags !== 0;
  const known: readonly string[] = FLAG_NAMES;
  const bits = names.reduce((set, name) => {
    const bit = known.indexOf(name);
    if (bit === -1) throw new ConfigRejectedError(resource, `access log response flag "${name}" is not known`);
    return set | (1 << bit);
  }, 0);
  return (record) => (record.flags & bits) !== 0;
}
