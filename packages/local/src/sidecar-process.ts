/** What the process of a sidecar gets: the sockets that must outlive it, and its command line. Pure. */
import { dnsPlaceOf, podProxyFlags, REDIRECT_SOCKETS } from './isolated/pod-proxy.ts';
import type { ListenSocket } from './listen-socket.ts';
import type { Admission, WorkloadSpec } from './mesh-link.ts';
import { proxyNode } from './proxy-node.ts';
import type { SocketPlace } from './workload-place.ts';

/** Its page, its mesh ports, its gateway ports, its known outbound listeners; in a pod those that rules lead to. */
export function socketsOf(spec: WorkloadSpec, admission: Admission): readonly SocketPlace[] {
  const { address, adminAddress, gatewayBinds, httpProxy, outbound, pod, ports } = admission;
  const colon = adminAddress.lastIndexOf(':');
  const admin = { address: adminAddress.slice(0, colon), port: Number(adminAddress.slice(colon + 1)) };
  const dns = pod ? [dnsPlaceOf(pod), { ...dnsPlaceOf(pod), kind: 'datagram' as const }] : [];
  if (pod?.redirect) return [...REDIRECT_SOCKETS, admin, ...dns];
  return [
    admin,
    ...dns,
    ...ports.map((port) => ({ address, port: port.meshPort })),
    ...gatewayBinds.map((bind) => ({ address: bind.bind, port: bind.port })),
    ...(httpProxy ? [{ address: httpProxy.bind, port: httpProxy.port }] : []),
    ...(spec.kind === 'sidecar' ? outbound.map((item) => ({ address: item.bind, port: item.port })) : []),
  ];
}

/** @param sockets become descriptors from 4 on. */
export function proxyArguments(
  spec: WorkloadSpec,
  admission: Admission,
  sockets: readonly ListenSocket[],
): readonly string[] {
  const node = proxyNode(spec, admission);
  return [
    '--node-id',
    node.id,
    '--metadata',
    JSON.stringify(node.metadata),
    '--xds',
    admission.xdsAddress,
    '--save-dir',
    admission.saveDir,
    '--admin',
    admission.adminAddress,
    '--parent-fd',
    '3',
    ...admission.proxyFlags,
    ...(admission.pod ? podProxyFlags(admission.pod) : []),
    ...sockets.flatMap(({ kind, address, port }, index) => [
      kind === 'datagram' ? '--datagram-fd' : '--listen-fd',
      `${address}:${port}=${4 + index}`,
    ]),
  ];
}
