/** One heartbeat of an application: does it answer within the time allowed? */
import { request } from 'node:http';
import { connect } from 'node:net';

export type Probe =
  /** Any HTTP response counts: the question is whether the program runs, not whether it is content. With `status` only that one does. */
  { readonly kind: 'http'; readonly path: string; readonly status?: number } | { readonly kind: 'tcp' };

export function probe(target: Probe, address: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (target.kind === 'tcp') {
      const socket = connect({ host: address, port, timeout: timeoutMs });
      const finish = (answered: boolean): void => {
        socket.destroy();
        resolve(answered);
      };
      socket.once('connect', () => finish(true));
      socket.once('timeout', () => finish(false));
      socket.once('error', () => finish(false));
      return;
    }
    const call = request({
      host: address,
      port,
      path: target.path,
      method: 'GET',
      agent: false,
      headers: { 'user-agent': 'weft-heartbeat' },
    });
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
