/** Small JSON calls over a Unix socket. */
import { dirname } from 'node:path';
import { request, type IncomingMessage } from 'node:http';
import { errorCode, WeftError } from '@weft/kit';

export interface UnixCall {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

/** @throws {WeftError} WEFT_NOT_RUNNING when nobody listens; else the error that the other side named. */
export function openUnix(socketPath: string, call: UnixCall): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const outgoing = request({
      socketPath,
      method: call.method,
      path: call.path,
      agent: false,
      headers: {
        host: 'localhost',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    });
    outgoing.once('error', (error) => {
      const code = errorCode(error);
      const absent = code === 'ENOENT' || code === 'ECONNREFUSED';
      reject(absent ? notRunning(dirname(dirname(socketPath)), error) : error);
    });
    outgoing.once('response', resolve);
    outgoing.end(body);
  });
}

/** In the same words wherever a command finds no mesh. @param root its state folder. */
export const notRunning = (root: string, cause: unknown): WeftError =>
  new WeftError('WEFT_NOT_RUNNING', `no mesh runs in ${root}`, {
    cause,
    fix: 'start one with "weft up" or "weft demo", or name its folder with --state DIR',
  });

export async function callUnix(socketPath: string, call: UnixCall): Promise<unknown> {
  const response = await openUnix(socketPath, call);
  const text = await readAll(response);
  const value: unknown = text === '' ? undefined : JSON.parse(text);
  if ((response.statusCode ?? 500) >= 400) throw remoteError(value, response.statusCode);
  return value;
}

export async function readAll(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk as string;
  return text;
}

export function remoteError(value: unknown, status: number | undefined): WeftError {
  const error = (value as { error?: { code?: string; message?: string; fix?: string } } | undefined)?.error;
  return new WeftError(
    error?.code ?? 'WEFT_INTERNAL',
    error?.message ?? `the supervisor answered ${status}`,
    error?.fix ? { fix: error.fix } : {},
  );
}
