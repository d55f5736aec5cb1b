import type { HeaderMutation } from '@weft/evaluator';
import type { HeadView } from '../../head/head-view.ts';
import type { FilterStream } from './http-filter.ts';

/** Makes the configured edits, in their order. */
export function applyEdits(edits: readonly HeaderMutation[], head: HeadView, stream: FilterStream): void {
  for (const { op, name, value, literal } of edits) {
    if (op === 'remove') {
      head.remove(name);
      continue;
    }
    const text = literal ?? expand(value, stream);
    switch (op) {
      case 'append':
        head.add(name, text);
        break;
      case 'set':
        head.set(name, text);
        break;
      case 'add-if-absent':
        if (!head.has(name)) head.add(name, text);
        break;
      case 'set-if-present':
        if (head.has(name)) head.set(name, text);
        break;
    }
  }
}

const OPERATOR = /%%|%([A-Z_0-9]+)(?:\(([^)]*)\))?%/g;
const UNSAFE = /[^\t\x20-\x7e\x80-\xff]/g;

/** `%OPERATORS%` that a request can answer; others become empty. What peers sent can not break the line. */
export function expand(template: string, stream: FilterStream): string {
  const text = template.replaceAll(OPERATOR, (_: string, operator?: string, argument?: string) =>
    operator === undefined ? '%' : operand(operator, argument ?? '', stream),
  );
  return text.replaceAll(UNSAFE, '');
}

function operand(operator: string, argument: string, stream: FilterStream): string {
  const { record } = stream;
  switch (operator) {
    case 'REQ': {
      const [name = '', fallback] = argument.split('?');
      return (
        stream.requestHeader(name.toLowerCase()) ??
        (fallback === undefined ? '' : (stream.requestHeader(fallback.toLowerCase()) ?? ''))
      );
    }
    case 'PROTOCOL':
      return record.protocol;
    case 'DOWNSTREAM_REMOTE_ADDRESS':
      return record.downstreamRemoteAddress;
    case 'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT':
      return stream.directRemoteIp;
    case 'DOWNSTREAM_LOCAL_ADDRESS':
      return record.downstreamLocalAddress;
    case 'DOWNSTREAM_PEER_URI_SAN':
      return record.sourcePrincipal;
    case 'UPSTREAM_HOST':
    case 'UPSTREAM_REMOTE_ADDRESS':
      return record.upstreamHost;
    case 'UPSTREAM_CLUSTER':
      return record.cluster;
    case 'ROUTE_NAME':
      return record.routeName;
    case 'REQUESTED_SERVER_NAME':
      return record.requestedServerName;
    case 'RESPONSE_CODE':
      return String(record.code);
    default:
      return '';
  }
}
