/** One heartbeat of an application: does it answer within the time allowed? */
import { request, type ClientRequest } from 'node:http';
import { connect } from 'node:net';

export type Probe = HttpProbe | { readonly kind: 'tcp' };

/** Any HTTP response counts: the question is whether the program runs, not whether it is content. With `status` only that one does. */
export interface HttpProbe {
  readonly kind: 'http';
  readonly path: string;
  readonly status?: number;
}

export function probe(target: Probe, address: string, port: number, timeoutMs: number): Promise<boolean> {
  if (target.kind === 'tcp') return tcpProbe(address, port, timeoutMs);
  return httpProbe(target, timeoutMs, (path) =>
    request({ host: address, port, path, agent: false, headers: { 'user-agent': 'weft-heartbeat' } }),
  );
}

function tcpProbe(address: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: timeoutMs });
    const finish = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}

/** @param open a GET of that path, not yet ended. */
export function httpProbe(
  target: HttpProbe,
  timeoutMs: number,
  open: (path: string) => ClientRequest,
): Promise<boolean> {
  return new Promise((resolve) => {
    const call = open(target.path);
    const timer = setTimeout(() => call.destroy(new Error('timeout')), timeoutMs);
    const finish = (answered: boolean): void => {
      clearTimeout(timer);
      resolve(answered);
    };
    call.once('response', (response) => {
      response.resume();
      response.once('error', () => {});
      finish(target.status === undefined || response.statusCode === target.status);
    });
    call.once('error', () => finish(false));
    call.end();
  });
}
