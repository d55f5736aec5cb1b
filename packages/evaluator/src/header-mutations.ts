import {
  type HeaderValueOption,
  HeaderValueOption_HeaderAppendAction as AppendAction,
} from '@weft/contracts/lean/envoy/config/core/v3/base';
import { at, type Place, reject } from './rejected.ts';

/** One edit of a head, in the order in which they are made. Names are in lower case. */
export interface HeaderMutation {
  /** `set-if-present` replaces an existing header only; `add-if-absent` leaves an existing one. */
  readonly op: 'remove' | 'append' | 'set' | 'add-if-absent' | 'set-if-present';
  readonly name: string;
  /** As configured: `%OPERATORS%` of access logs are still in it, `%%` stands for `%`. Empty for `remove`. */
  readonly value: string;
  /** The final value when it holds no operator. */
  readonly literal: string | undefined;
}

/** The four lists that a route configuration, virtual host, route or weighted cluster has. */
export interface MutationLists {
  readonly requestHeadersToAdd: readonly HeaderValueOption[];
  readonly requestHeadersToRemove: readonly string[];
  readonly responseHeadersToAdd: readonly HeaderValueOption[];
  readonly responseHeadersToRemove: readonly string[];
}

/** Edits of one level: removals first. */
export interface Mutations {
  readonly request: readonly HeaderMutation[];
  readonly response: readonly HeaderMutation[];
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FORBIDDEN_IN_VALUE = /[\0\r\n]/;

export function compileMutations(lists: MutationLists, place: Place): Mutations {
  return {
    request: [
      ...lists.requestHeadersToRemove.map((name, i) => removal(name, at(place, `request_headers_to_remove[${i}]`))),
      ...lists.requestHeadersToAdd.flatMap((option, i) => addition(option, at(place, `request_headers_to_add[${i}]`))),
    ],
    response: [
      ...lists.responseHeadersToRemove.map((name, i) => removal(name, at(place, `response_headers_to_remove[${i}]`))),
      ...lists.responseHeadersToAdd.flatMap((option, i) =>
        addition(option, at(place, `response_headers_to_add[${i}]`)),
      ),
    ],
  };
}

/** Joins levels given from the most to the least specific. By default the least specific is applied last and so wins. */
export function joinMutations(levels: readonly Mutations[], mostSpecificWins: boolean): Mutations {
  const ordered = mostSpecificWins ? levels.toReversed() : levels;
  return {
    request: ordered.flatMap((level) => level.request),
    response: ordered.flatMap((level) => level.response),
  };
}

function removal(name: string, place: Place): HeaderMutation {
  return { op: 'remove', name: checkedName(name, place), value: '', literal: undefined };
}

function addition(option: HeaderValueOption, place: Place): HeaderMutation[] {
  const { header } = option;
  if (header === undefined) return reject(place, 'header is not set');
  const name = checkedName(header.key, at(place, 'header.key'));
  if (FORBIDDEN_IN_VALUE.test(header.value)) {
    return reject(at(place, 'header.value'), 'line breaks and NUL can not stand in a header');
  }
  // An empty value adds nothing unless it is to be kept.
  if (header.value === '' && !option.keepEmptyValue) return [];
  return [{ op: operation(option), name, value: header.value, literal: literalOf(header.value) }];
}

function operation(option: HeaderValueOption): HeaderMutation['op'] {
  // The older boolean, where it is given, decides over the newer enumeration.
  if (option.append !== undefined) return option.append ? 'append' : 'set';
  switch (option.appendAction) {
    case AppendAction.APPEND_IF_EXISTS_OR_ADD:
      return 'append';
    case AppendAction.ADD_IF_ABSENT:
      return 'add-if-absent';
    case AppendAction.OVERWRITE_IF_EXISTS_OR_ADD:
      return 'set';
    case AppendAction.OVERWRITE_IF_EXISTS:
      return 'set-if-present';
  }
}

function checkedName(name: string, place: Place): string {
  if (name.startsWith(':') || name.toLowerCase() === 'host') return reject(place, `"${name}" can not be changed here`);
  if (!NAME.test(name)) return reject(place, `"${name}" is not a header name`);
  return name.toLowerCase();
}

function literalOf(value: string): string | undefined {
  const unescaped = value.replaceAll('%%', '');
  return unescaped.includes('%') ? undefined : value.replaceAll('%%', '%');
}
