/** The control plane's API over its Unix socket, which only this user can open. */
import { request } from 'node:http';
import type { ErrorBody } from '@weft/contracts/console-views';
import { errorCode, errorMessage, WeftError } from '@weft/kit';
import { callUnix, notRunning, stateDirAt, type StateDir } from '@weft/local';
import { stateDirOf } from './mesh/options.ts';

export interface Api {
  /** @param extraMs that the answer may take beyond the usual time. */
  get<T>(path: string, extraMs?: number): Promise<T>;
  post<T>(path: string, body: unknown): Promise<T>;
  delete<T>(path: string): Promise<T>;
}

export interface ApiFlags {
  readonly state?: string;
  readonly timeout?: string;
}

const DEFAULT_TIMEOUT_MS = 30_000;

export function openApi(flags: ApiFlags): Api {
  const dir = stateDirAt(stateDirOf(flags.state));
  const timeoutMs = flags.timeout === undefined ? DEFAULT_TIMEOUT_MS : Number(flags.timeout) * 1000;
  if (!(timeoutMs > 0)) throw new WeftError('WEFT_USAGE', `--timeout needs seconds, not "${flags.timeout}"`);
  const call = async <T>(method: string, path: string, body?: unknown, extraMs = 0): Promise<T> => {
    const { status, text } = await exchange(dir.apiSocket, method, path, body, timeoutMs + extraMs).catch(
      async (error: unknown) => {
        throw await unreachable(error, dir);
      },
    );
    if (status < 400) return (text === '' ? undefined : JSON.parse(text)) as T;
    throw refusal(status, text);
  };
  return {
    get: (path, extraMs) => call('GET', path, undefined, extraMs),
    post: (path, body) => call('POST', path, body),
    delete: (path) => call('DELETE', path),
  };
}

/** A refusal of the API with the findings that explain it. */
export class ApiError extends WeftError {
  readonly body: ErrorBody['error'];

  constructor(code: string, body: ErrorBody['error']) {
    super(code, body.message, body.hint === undefined ? {} : { fix: body.hint });
    this.body = body;
  }
}

function refusal(status: number, text: string): WeftError {
  let body: ErrorBody;
  try {
    body = JSON.parse(text) as ErrorBody;
  } catch {
    return new WeftError('WEFT_UNREACHABLE', `the control plane answered ${status}`);
  }
  const code =
    status === 401 || status === 403
      ? 'WEFT_NOT_PERMITTED'
      : status === 400 || status === 422
        ? 'WEFT_BAD_INPUT'
        : body.error.code;
  return new ApiError(code, body.error);
}

function exchange(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
  timeoutMs: number,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const call = request({
      socketPath,
      method,
      path,
      agent: false,
      headers: { host: 'localhost', ...headers },
    });
    const timer = setTimeout(() => {
      call.destroy(new WeftError('WEFT_TIMEOUT', `the control plane did not answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    call.once('error', fail);
    call.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.once('error', fail);
      response.once('end', () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 500, text });
      });
    });
    call.end(payload);
  });
}

async function unreachable(error: unknown, dir: StateDir): Promise<WeftError> {
  if (error instanceof WeftError) return error;
  const code = errorCode(error);
  if (code !== 'ENOENT' && code !== 'ECONNREFUSED')
    return new WeftError('WEFT_UNREACHABLE', `the control plane can not be reached: ${errorMessage(error)}`, {
      cause: error,
    });
  try {
    await callUnix(dir.supervisorSocket, { method: 'GET', path: '/v1/status' });
  } catch {
    return notRunning(dir.root, error);
  }
  return new WeftError('WEFT_UNREACHABLE', `the control plane of the mesh in ${dir.root} is away at the moment`, {
    cause: error,
    fix: 'it is started again by itself: try in a moment, or see "weft logs control-plane"',
  });
}
