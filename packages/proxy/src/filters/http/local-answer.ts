import type { ReasonCode } from '@weft/contracts';
import { localReply } from '../../failures.ts';
import { FieldsHead } from '../../head/fields-head.ts';
import { grpcMessage } from './grpc.ts';
import type { ReplyOptions } from './http-filter.ts';

const NO_BYTES = Buffer.alloc(0);

// Envoy's mapping of HTTP status to grpc-status for its own answers.
const GRPC_STATUS: ReadonlyMap<number, number> = new Map([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, 14],
  [502, 14],
  [503, 14],
  [504, 14],
]);
const GRPC_UNKNOWN = 2;

/** An answer of the proxy's own, ready to be sent. */
export interface LocalAnswer {
  readonly status: number;
  readonly head: FieldsHead;
  readonly body: Buffer;
  /** What it says, whatever carries it; undefined for bytes. */
  readonly text: string | undefined;
}

/**
 * What is sent for a reason: its row's status and text, unless the options have others, as the client understands it.
 * @param grpc the client speaks gRPC, whose answers are all of status 200.
 */
export function localAnswer(reason: ReasonCode, options: ReplyOptions, grpc: boolean): LocalAnswer {
  const row = localReply(reason);
  const said = options.body ?? (options.silent === true ? '' : row.body);
  const text = typeof said === 'string' ? said : undefined;
  let body = typeof said === 'string' ? Buffer.from(said) : Buffer.from(said.buffer, said.byteOffset, said.length);
  let status = options.status ?? row.status;
  const head = FieldsHead.response(status);
  if (grpc || options.grpcStatus !== undefined) {
    head.add('content-type', 'application/grpc');
    head.add('grpc-status', String(options.grpcStatus ?? GRPC_STATUS.get(status) ?? GRPC_UNKNOWN));
    if (body.length > 0) head.add('grpc-message', grpcMessage(body));
    status = 200;
    body = NO_BYTES;
  } else if (status === 204 || status === 304) {
    body = NO_BYTES;
  } else {
    head.add('content-length', String(body.length));
    if (body.length > 0) head.add('content-type', 'text/plain');
  }
  for (const [name, value] of options.headers ?? []) head.add(name, value);
  if (options.silent !== true) head.add('x-weft-reason', reason);
  if (reason === 'upstream-overflow') head.add('x-envoy-overloaded', 'true');
  return { status, head, body, text };
}
