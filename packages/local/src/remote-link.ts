/** The mesh seen from another process (`weft run`): the supervisor's Unix socket behind the MeshLink port. */
import type { IncomingMessage } from 'node:http';
import { errorMessage, systemClock, WeftError, type Timer } from '@weft/kit';
import type { Admission, MeshLink, WorkloadReport } from './mesh-link.ts';
import type { RestartAnswer, RestartLine } from './remote-restarts.ts';
import type { Restart } from './restarts.ts';
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
  let restart: Restart | undefined;
  let last: WorkloadReport = { health: 'starting' };

  const path = (namespace: string, name: string, action: string): string =>
    `/v1/workloads/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/${action}`;
  const send = (name: string, namespace: string): void => {
    void callUnix(socketPath, { method: 'PUT', path: path(namespace, name, 'report'), body: last }).catch(() => {});
  };
  const answerRestart = async (name: string, namespace: string, line: RestartLine): Promise<void> => {
    const { id, ...request } = line.restart;
    let body: RestartAnswer;
    try {
      if (restart === undefined) throw new WeftError('WEFT_RESTART_FAILED', `${name} is only starting`);
      body = { id, result: await restart(request) };
    } catch (error) {
      const { code, fix } = error instanceof WeftError ? error : { code: 'WEFT_INTERNAL', fix: undefined };
      body = { id, error: { code, message: errorMessage(error), ...(fix === undefined ? {} : { fix }) } };
    }
    // The mesh may be gone by now: then nobody waits for it.
    await callUnix(socketPath, { method: 'POST', path: path(namespace, name, 'restarted'), body }).catch(() => {});
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
      const admission = await readLines(response, (line) => {
        if ('restart' in line) void answerRestart(spec.name, spec.namespace, line as RestartLine);
      });
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
    offerRestart(_, __, offered) {
      restart = offered;
      return () => (restart = undefined);
    },
    close,
  };
}

/** @returns the first line; the others go to `onLine`. */
function readLines(response: IncomingMessage, onLine: (line: object) => void): Promise<Admission> {
  return new Promise((resolve, reject) => {
    let text = '';
    let first = true;
    response.setEncoding('utf8');
    response.on('error', () => {});
    response.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const value = JSON.parse(line) as Admission;
        if (first) resolve(value);
        else onLine(value);
        first = false;
      }
    });
    response.once('close', () =>
      reject(new WeftError('WEFT_NOT_RUNNING', 'the supervisor ended while this workload joined')),
    );
  });
}
