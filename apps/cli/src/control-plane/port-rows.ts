/** The documented ports with what was really taken, for `weft status` and the console. Pure. */
import { PORTS, type PortName, type RegisteredWorkload } from '@weft/contracts';
import type { MeshInfo } from '@weft/console-api';

const HOST = '127.0.0.1';
/** Of the workload's own namespace, where it has one. */
const LOOPBACK = '127.0.0.1';
const OWN_SIDECAR = "as that sidecar does it: Envoy's admin port asks nobody, so any local user may write to it";

/** The table of ports with what was really taken. @param meshHost where proxies and agents call. */
export function portRows(
  actual: Partial<Record<PortName, number>>,
  meshHost: string,
  workloads: readonly RegisteredWorkload[],
): MeshInfo['ports'] {
  const row = (port: PortName, name: string, address: string, number: number): MeshInfo['ports'][number] => ({
    name,
    address,
    port: number,
    owner: PORTS[port].owner,
    authentication: PORTS[port].authentication,
  });
  const own = [
    ...(['xds', 'ca'] as const).map((name) => row(name, PORTS[name].name, meshHost, actual[name] ?? 0)),
    ...(['monitoring', 'console'] as const).map((name) => row(name, PORTS[name].name, HOST, actual[name] ?? 0)),
  ];
  const theirs = workloads.flatMap((workload) => {
    const label = `${workload.name}.${workload.namespace}`;
    const [adminHost = '', adminPort = ''] = workload.adminAddress.split(':');
    const { interception } = workload;
    return [
      ...workload.ports.map((port) => row('inbound', `${label} inbound`, workload.address, port.meshPort)),
      ...workload.ports.map((port) => row('app', `${label} app`, port.appAddress, port.appPort)),
      {
        ...row('proxyAdmin', `${label} admin`, adminHost, Number(adminPort)),
        ...(workload.ownSidecar ? { authentication: OWN_SIDECAR } : {}),
      },
      ...(interception.mode === 'redirect'
        ? [
            row('capturedOutbound', `${label} captured outbound`, workload.address, PORTS.capturedOutbound.port),
            row('capturedInbound', `${label} captured inbound`, workload.address, PORTS.capturedInbound.port),
            row('dns', `${label} DNS`, LOOPBACK, PORTS.dns.port),
          ]
        : []),
      // A gateway in a pod has no rules: its resolv.conf leads to it.
      ...(interception.mode === 'gateway' && meshHost !== HOST ? [row('dns', `${label} DNS`, LOOPBACK, 53)] : []),
      ...(interception.mode === 'gateway'
        ? uniquePorts(interception.binds).map((bind) => row('gatewayHttp', label, bind.bind, bind.port))
        : []),
      ...(interception.mode === 'loopback'
        ? interception.outbound.map((bind) =>
            row('outbound', `${label} to ${bind.hostname.split('.')[0]}`, bind.bind, bind.port),
          )
        : []),
      ...(interception.mode === 'loopback' && interception.httpProxy
        ? [row('httpProxy', `${label} http proxy`, interception.httpProxy.bind, interception.httpProxy.port)]
        : []),
    ];
  });
  // The hub is another host than console and metrics are at.
  const hub = meshHost === HOST ? [] : [row('egress', PORTS.egress.name, meshHost, PORTS.egress.port)];
  return [...own, ...hub, ...theirs];
}

/** Several port numbers of Gateways may lead to one socket. */
function uniquePorts<Bind extends { readonly bind: string; readonly port: number }>(
  binds: readonly Bind[],
): readonly Bind[] {
  return binds.filter(
    (bind, index) => binds.findIndex((item) => item.bind === bind.bind && item.port === bind.port) === index,
  );
}

export function openRows(
  actual: Partial<Record<PortName, number>>,
  workloads: readonly RegisteredWorkload[],
): MeshInfo['open'] {
  const gateways = workloads.flatMap(({ interception }) =>
    interception.mode === 'gateway' ? uniquePorts(interception.binds) : [],
  );
  return [
    { name: 'console', url: `http://${HOST}:${actual.console}`, description: 'this console' },
    ...gateways.map((bind) => ({
      name: 'gateway',
      url: `http://${bind.bind}:${bind.port}`,
      description: 'the way into the mesh',
    })),
  ];
}
