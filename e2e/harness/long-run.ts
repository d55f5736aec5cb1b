/** A mesh with a client, two services and a way in. */
import { EDGE, edgeRoutes, routeTo } from './edge.ts';
import { startMesh, type TestMesh } from './mesh.ts';
import { programPath, startEcho } from './programs.ts';

const ROUTES = `${EDGE}---${edgeRoutes(routeTo('wire', 8001, '/ws'), routeTo('echo', 8000))}`;
// Their lines would fill disks.
const QUIET = ['--access-log', 'off', '--trace-sampling', '1'];

/** `client` calls `echo` (8000, HTTP) and `wire` (8001, upgrades); both are behind the gateway, too. */
export async function meshWithEdge(args: readonly string[] = QUIET): Promise<TestMesh> {
  const mesh = await startMesh({ args });
  // Before the services that it calls: their listeners are its sidecar's own.
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
  await startEcho(mesh, { service: 'echo', version: 'v1', name: 'echo' });
  await mesh.run(['--service=wire', '--name=wire', '--port=8001', '--', process.execPath, programPath('wire.mjs')]);
  await mesh.apply(ROUTES);
  await mesh.synced();
  return mesh;
}
