// A real Envoy beside the proxy of a test, where one is at hand.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { createRegistry, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { ClusterSchema } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import { ListenerSchema } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import { file_envoy_extensions_access_loggers_file_v3_file as fileLog } from '@weft/contracts/lean/envoy/extensions/access_loggers/file/v3/file';
import { file_envoy_extensions_filters_http_router_v3_router as routerFile } from '@weft/contracts/lean/envoy/extensions/filters/http/router/v3/router';
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector as inspectorFile } from '@weft/contracts/lean/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager as hcmFile } from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy as tcpFile } from '@weft/contracts/lean/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { file_envoy_extensions_transport_sockets_tls_v3_tls as tlsFile } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options as protocolFile } from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { freePort, tempDir, waitFor } from '@weft/testkit';
import type { ResourceSet } from '../ports.ts';
import { resourceSet } from './resources.ts';

export const TYPE = 'type.googleapis.com/envoy.extensions';

/** Resources as Envoy reads them in its bootstrap, names in snake_case. */
export interface StaticResources {
  readonly listeners: readonly JsonObject[];
  readonly clusters: readonly JsonObject[];
}

/** `WEFT_ENVOY` (a path), else `envoy` on PATH; undefined where there is none, and says which tests that skips. */
export function findEnvoy(environment: NodeJS.ProcessEnv, what: string): string | undefined {
  const named = environment['WEFT_ENVOY'];
  const candidates = named ? [named] : (environment['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'envoy'));
  const found = candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) console.warn(`skipped: ${what} (no envoy on PATH, and WEFT_ENVOY is not set)`);
  return found;
}

/** An Envoy with these resources, once it serves. */
export async function startEnvoy(program: string, resources: StaticResources): Promise<AsyncDisposable> {
  const dir = await tempDir();
  const admin = await freePort();
  const config = join(dir.path, 'bootstrap.json');
  await writeFile(config, JSON.stringify({ admin: { address: addressOf(admin) }, static_resources: resources }));
  const flags = ['--concurrency', '1', '--disable-hot-restart', '-l', 'error', '--file-flush-interval-msec', '50'];
  const child = spawn(program, ['-c', config, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await dir.remove();
  };
  try {
    await waitFor(
      async () => {
        if (child.exitCode !== null) return true;
        const ready = await fetch(`http://127.0.0.1:${admin}/ready`).catch(() => undefined);
        return ready?.status === 200;
      },
      { what: 'Envoy', timeoutMs: 30_000 },
    );
    if (child.exitCode !== null) throw new Error(`Envoy ended: ${errors}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { [Symbol.asyncDispose]: stop };
}

export const addressOf = (port: number): JsonObject => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});

const registry = createRegistry(fileLog, hcmFile, inspectorFile, protocolFile, routerFile, tcpFile, tlsFile);

/** The same for the proxy of the test. */
export const ours = ({ listeners, clusters }: StaticResources): ResourceSet =>
  resourceSet({
    listeners: listeners.map((json) => fromJson(ListenerSchema, json, { registry, ignoreUnknownFields: true })),
    clusters: clusters.map((json) => fromJson(ClusterSchema, json, { registry, ignoreUnknownFields: true })),
  });
