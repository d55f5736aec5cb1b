/** A mesh with a client, two services and a way in, for long runs. */
import { EDGE } from './edge.ts';
import { startMesh, type TestMesh } from './mesh.ts';
import { programPath, startEcho } from './programs.ts';

const ROUTES = `${EDGE}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge }
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
    - match: [{ uri: { prefix: /ws } }]
      route: [{ destination: { host: wire, port: { number: 8001 } } }]
    - route: [{ destination: { host: echo, port: { number: 8000 } } }]
`;

/** `client` calls `echo` (8000, HTTP) and `wire` (8001, upgrades); both are behind the gateway, too. */
export async function meshWithEdge(): Promise<TestMesh> {
  // No access log: long runs would fill disks.
  const mesh = await startMesh({ args: ['--access-log', 'off', '--trace-sampling', '1'] });
  // Before the services that it calls: their listeners are its sidecar's own.
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
  await startEcho(mesh, { service: 'echo', version: 'v1', name: 'echo' });
  await mesh.run(['--service=wire', '--name=wire', '--port=8001', '--', process.execPath, programPath('wire.mjs')]);
  await mesh.apply(ROUTES);
  await mesh.synced();
  return mesh;
}
