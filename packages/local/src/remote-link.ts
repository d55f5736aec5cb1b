/** The mesh seen from another process (`weft run`): the supervisor's Unix socket behind the MeshLink port. */
import type { IncomingMessage } from 'node:http';
import { systemClock, WeftError, type Timer } from '@weft/kit';
import type { Admission, MeshLink, WorkloadReport } from './mesh-link.ts';
import { RUNNER_BEAT_MS } from './supervisor-api.ts';
import { callUnix, openUnix, readAll, remoteError } from './unix-client.ts';

export interface RemoteLink extends MeshLink {
  close(): void;
}

/** @param onLost the supervisor is gone: the workload has no mesh any more. */
export function createRemoteLink(socketPath: string, onLost: () => void): RemoteLink {
  let lease: IncomingMessage | undefined;
  let beat: Timer | undefined;
  let closed = false;
  let last: WorkloadReport = { health: 'starting' };

  const path = (namespace: string, name: string, action: string): string =>
    `/v1/workloads/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/${action}`;
  const send = (name: string, namespace: string): void => {
    void callUnix(socketPath, { method: 'PUT', path: path(namespace, name, 'report'), body: last }).catch(() => {});
  };
  const close = (): void => {
    closed = true;
    beat?.cancel();
    lease?.destroy();
  };
  return {
    async admit(spec) {
      const response = await openUnix(socketPath, { method: 'POST', path: '/v1/workloads', body: spec });
      if (response.statusCode !== 200) throw remoteError(JSON.parse(await readAll(response)), response.statusCode);
      lease = response;
      const admission = await firstLine(response);
      response.once('close', () => {
        if (!closed) onLost();
      });
      const again = (): void => {
        send(spec.name, spec.namespace);
        if (!closed) beat = systemClock.after(RUNNER_BEAT_MS, again);
      };
      beat = systemClock.after(RUNNER_BEAT_MS, again);
      return admission;
    },
    async token(name, namespace) {
      const { token } = (await callUnix(socketPath, { method: 'POST', path: path(namespace, name, 'token') })) as {
        token: string;
      };
      return token;
    },
    report(name, namespace, change) {
      last = { ...last, ...change };
      send(name, namespace);
    },
    leave() {
      close();
      return Promise.resolve();
    },
    close,
  };
}

function firstLine(response: IncomingMessage): Promise<Admission> {
  return new Promise((resolve, reject) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('error', () => {});
    response.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(JSON.parse(text.slice(0, end)) as Admission);
    });
    response.once('close', () =>
      reject(new WeftError('WEFT_NOT_RUNNING', 'the supervisor ended while this workload joined')),
    );
  });
}
