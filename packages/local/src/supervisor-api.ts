/** The supervisor's Unix socket (0600): workloads of other processes join here, and the control plane follows the registry. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { chmodSync } from 'node:fs';
import type { RegisteredWorkload } from '@weft/contracts';
import { errorMessage, WeftError, type Clock, type Timer } from '@weft/kit';
import type { MeshLink, WorkloadReport, WorkloadSpec } from './mesh-link.ts';
import type { LocalRegistry } from './registry.ts';
import { createRemoteRestarts, type RemoteRestarts, type RestartAnswer } from './remote-restarts.ts';
import { parseRestart, type Restarts } from './restarts.ts';

export interface SupervisorApiDeps {
  readonly link: MeshLink;
  readonly registry: LocalRegistry;
  readonly clock: Clock;
  readonly restarts: Restarts;
  readonly status: () => unknown;
  readonly shutdown: () => void;
}

export interface SupervisorApi {
  close(): void;
}

const MAX_BODY = 64 * 1024;
const HEALTH_WORDS: readonly string[] = [
  'starting',
  'healthy',
  'unhealthy',
  'draining',
] satisfies RegisteredWorkload['health'][];
/** A runner in another process says how its workload is once a second; after three silent seconds it counts as unhealthy. */
export const RUNNER_BEAT_MS = 1_000;
const RUNNER_SILENCE_MS = 3 * RUNNER_BEAT_MS;

export async function serveSupervisorApi(path: string, deps: SupervisorApiDeps): Promise<SupervisorApi> {
  const silence = new Map<string, Timer>();
  const remote = new Map<string, RemoteRestarts>();
  const open = new Set<ServerResponse>();

  const watchSilence = (name: string, namespace: string): void => {
    const key = `${namespace}/${name}`;
    silence.get(key)?.cancel();
    silence.set(
      key,
      deps.clock.after(RUNNER_SILENCE_MS, () => deps.link.report(name, namespace, { health: 'unhealthy' })),
    );
  };

  /** The response stays open as long as the workload lives: its end is the workload's end, however it came. */
  const join = async (spec: WorkloadSpec, response: ServerResponse): Promise<void> => {
    const admission = await deps.link.admit(spec);
    const { name, namespace } = spec;
    const restarts = createRemoteRestarts();
    const withdraw = spec.ownSidecar
      ? () => {}
      : deps.restarts.offer(name, namespace, (request) =>
          restarts.ask((line) => void response.write(`${JSON.stringify(line)}\n`), request),
        );
    open.add(response);
    remote.set(`${namespace}/${name}`, restarts);
    watchSilence(name, namespace);
    response.on('close', () => {
      open.delete(response);
      withdraw();
      restarts.close();
      if (remote.get(`${namespace}/${name}`) === restarts) remote.delete(`${namespace}/${name}`);
      silence.get(`${namespace}/${name}`)?.cancel();
      silence.delete(`${namespace}/${name}`);
      void deps.link.leave(name, namespace);
    });
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write(`${JSON.stringify(admission)}\n`);
  };

  const watch = (response: ServerResponse): void => {
    open.add(response);
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const stop = deps.registry.subscribe((state) => response.write(`${JSON.stringify(state)}\n`));
    response.on('close', () => {
      open.delete(response);
      stop();
    });
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, version, kind, namespace = '', name = '', action] = (request.url ?? '').split('/').map(decodeURIComponent);
    const route =
      version === 'v1' ? `${request.method} ${[kind, ...(action ? ['*', '*', action] : [])].join('/')}` : '';
    if (route === 'GET registry' && namespace === 'watch') return watch(response);
    if (route === 'GET status') return send(response, 200, deps.status());
    if (route === 'POST shutdown') {
      send(response, 202, {});
      return deps.shutdown();
    }
    if (route === 'POST workloads') return join(parseSpec(await readJson(request)), response);
    if (route === 'PUT workloads/*/*/report') {
      const { health, certificate, processes } = (await readJson(request)) as WorkloadReport;
      if (health !== undefined && !HEALTH_WORDS.includes(health)) {
        throw new WeftError('WEFT_BAD_REQUEST', `health must be one of ${HEALTH_WORDS.join(', ')}`);
      }
      watchSilence(name, namespace);
      deps.link.report(name, namespace, {
        ...(health ? { health } : {}),
        ...(certificate ? { certificate } : {}),
        ...(processes ? { processes } : {}),
      });
      return send(response, 200, {});
    }
    if (route === 'POST workloads/*/*/restart')
      return send(response, 200, await deps.restarts.restart(name, namespace, parseRestart(await readJson(request))));
    if (route === 'POST workloads/*/*/restarted') {
      remote.get(`${namespace}/${name}`)?.answer((await readJson(request)) as RestartAnswer);
      return send(response, 200, {});
    }
    if (route === 'POST workloads/*/*/token')
      return send(response, 200, { token: await deps.link.token(name, namespace) });
    return send(response, 404, {
      error: { code: 'WEFT_NOT_FOUND', message: `no such call: ${request.method} ${request.url}` },
    });
  };

  const server = createServer((request, response) => {
    request.on('error', () => {});
    response.on('error', () => {});
    handle(request, response).catch((error: unknown) => {
      const code = error instanceof WeftError ? error.code : 'WEFT_INTERNAL';
      const fix = error instanceof WeftError ? error.fix : undefined;
      if (!response.headersSent)
        send(response, 400, { error: { code, message: errorMessage(error), ...(fix ? { fix } : {}) } });
      else response.destroy();
    });
  });
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    close() {
      silence.forEach((timer) => timer.cancel());
      open.forEach((response) => response.destroy());
      server.close();
      server.closeAllConnections();
    },
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += chunk as string;
    if (text.length > MAX_BODY) throw new WeftError('WEFT_BAD_REQUEST', 'the request body is too large');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new WeftError('WEFT_BAD_REQUEST', 'the request body is not JSON', { cause: error });
  }
}

function parseSpec(value: unknown): WorkloadSpec {
  const spec = value as Partial<WorkloadSpec> | null;
  const strings = [spec?.name, spec?.namespace, spec?.serviceAccount];
  const portsOk =
    Array.isArray(spec?.ports) &&
    spec.ports.every(
      (port) => typeof port.name === 'string' && Number.isInteger(port.servicePort) && Number.isInteger(port.appPort),
    );
  if (
    !spec ||
    spec.kind !== 'sidecar' ||
    strings.some((text) => typeof text !== 'string') ||
    !portsOk ||
    typeof spec.labels !== 'object'
  ) {
    throw new WeftError('WEFT_BAD_REQUEST', 'a workload needs name, namespace, serviceAccount, labels and ports');
  }
  return spec as WorkloadSpec;
}
