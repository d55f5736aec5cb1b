/** The console's only fetch. Paths are relative to the page, so that it works behind any name. */
import type { ErrorBody } from '@weft/contracts/console-views';

/** A refusal of the API, in its own words. */
export class RequestFailed extends Error {
  readonly status: number;
  readonly body: ErrorBody['error'] | undefined;

  constructor(status: number, message: string, body: ErrorBody['error'] | undefined) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export function apiUrl(path: string, query: Query = {}): string {
  const entries = Object.entries(query).flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [[key, String(value)]],
  );
  const text = new URLSearchParams(entries).toString();
  return `/api/v1${path}${text === '' ? '' : `?${text}`}`;
}

async function request<T>(url: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, credentials: 'same-origin', cache: 'no-store' });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new RequestFailed(0, 'The control plane does not answer.', undefined);
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body as T;
  const error = (body as ErrorBody | undefined)?.error;
  throw new RequestFailed(response.status, error?.message ?? `The answer was ${response.status}.`, error);
}

export const read = <T>(path: string, query: Query, signal: AbortSignal): Promise<T> =>
  request<T>(apiUrl(path, query), { signal });

export const send = <T>(method: 'POST' | 'DELETE', path: string, body?: object): Promise<T> =>
  request<T>(apiUrl(path), {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
