import { create } from '@bufbuild/protobuf';
import {
  HeaderValueOption_HeaderAppendAction,
  HeaderValueOptionSchema,
  type HeaderValueOption,
} from '@weft/contracts/full/envoy/config/core/v3/base';
import type { HeaderOperations, Headers } from '../config-store/kinds.ts';
import { compareText } from '../model/hostname.ts';

export interface HeaderFields {
  readonly requestHeadersToAdd?: HeaderValueOption[];
  readonly requestHeadersToRemove?: string[];
  readonly responseHeadersToAdd?: HeaderValueOption[];
  readonly responseHeadersToRemove?: string[];
}

const isAuthority = (name: string): boolean => name.toLowerCase() === 'host' || name.toLowerCase() === ':authority';

/** Header operations of a route or destination as Envoy's four fields; Host is no header there (`authorityOf`). */
export function headerFields(headers: Headers | undefined): HeaderFields {
  const requestAdd = additions(headers?.request);
  const responseAdd = additions(headers?.response);
  const requestRemove = [...(headers?.request?.remove ?? [])];
  const responseRemove = [...(headers?.response?.remove ?? [])];
  return {
    ...(requestAdd.length > 0 ? { requestHeadersToAdd: requestAdd } : {}),
    ...(requestRemove.length > 0 ? { requestHeadersToRemove: requestRemove } : {}),
    ...(responseAdd.length > 0 ? { responseHeadersToAdd: responseAdd } : {}),
    ...(responseRemove.length > 0 ? { responseHeadersToRemove: responseRemove } : {}),
  };
}

/** The Host that the operations ask for: setting it is a rewrite of the authority. */
export function authorityOf(headers: Headers | undefined): string | undefined {
  const { set = {}, add = {} } = headers?.request ?? {};
  return [...Object.entries(set), ...Object.entries(add)].find(([name]) => isAuthority(name))?.[1];
}

function additions(operations: HeaderOperations | undefined): HeaderValueOption[] {
  return [
    ...options(operations?.set, HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
    ...options(operations?.add, HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD),
  ];
}

function options(
  headers: Readonly<Record<string, string>> | undefined,
  appendAction: HeaderValueOption_HeaderAppendAction,
): HeaderValueOption[] {
  return Object.entries(headers ?? {})
    .filter(([key]) => !isAuthority(key))
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([key, value]) => create(HeaderValueOptionSchema, { header: { key, value }, appendAction }));
}
