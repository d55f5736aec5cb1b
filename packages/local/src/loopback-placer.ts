/** Loopback form: a workload has an address of 127.A.0.0/16, and listeners for the services that it may call. */
import type { GatewayBind, OutboundBind, RegisteredWorkload, WorkloadPort } from '@weft/contracts';
import { blockPlan, createIndexPool } from './addresses.ts';
import { keyOf, type Placer } from './placement.ts';
import { pickPort } from './port-picker.ts';
import type { LocalRegistry } from './registry.ts';

const ADMIN_PORT = 15000;
const HTTP_PROXY_PORT = 15080;

/** @param block undefined where only 127.0.0.1 exists. */
export function createLoopbackPlacer(block: number | undefined, gatewayBinds: readonly GatewayBind[]): Placer {
  const plan = block === undefined ? undefined : blockPlan(block);
  const indexes = createIndexPool();
  const indexOf = new Map<string, number>();
  const serviceIndexes = new Map<string, number>();
  const taken = new Set<string>();

  const workloadAddress = (index: number): string => plan?.workload(index) ?? '127.0.0.1';
  const serviceAddress = (index: number, hostname: string): string => {
    let service = serviceIndexes.get(hostname);
    if (service === undefined) {
      service = serviceIndexes.size + 1;
      serviceIndexes.set(hostname, service);
    }
    return plan?.service(index, service) ?? '127.0.0.1';
  };
  const preferred = (port: number): number => (plan ? port : 0);

  /** Outbound listeners of one workload for every declared service port. */
  const outboundFor = async (
    index: number,
    known: readonly OutboundBind[],
    registry: LocalRegistry,
  ): Promise<OutboundBind[]> => {
    const binds: OutboundBind[] = [];
    for (const { hostname, ports } of registry.state().services) {
      for (const { port: servicePort } of ports) {
        const existing = known.find((item) => item.hostname === hostname && item.servicePort === servicePort);
        if (existing) {
          binds.push(existing);
          continue;
        }
        const bind = serviceAddress(index, hostname);
        binds.push({ hostname, servicePort, bind, port: await pickPort(bind, preferred(servicePort), taken) });
      }
    }
    return binds;
  };

  return {
    async place(spec, registry) {
      const index = indexes.take();
      indexOf.set(keyOf(spec), index);
      const address = workloadAddress(index);
      const ports: WorkloadPort[] = [];
      for (const port of spec.ports)
        ports.push({ ...port, meshPort: await pickPort(address, preferred(port.servicePort), taken) });
      const adminAddress = `${address}:${await pickPort(address, preferred(ADMIN_PORT), taken)}`;
      if (spec.kind === 'gateway') {
        const interception = { mode: 'gateway', binds: gatewayBinds } as const;
        return { address, adminAddress, ports, interception, outbound: [], gatewayBinds };
      }
      const outbound = await outboundFor(index, [], registry);
      const httpProxy = { bind: address, port: await pickPort(address, preferred(HTTP_PROXY_PORT), taken) };
      const interception = { mode: 'loopback', outbound, httpProxy } as const;
      return { address, adminAddress, ports, interception, outbound, httpProxy, gatewayBinds: [] };
    },
    async extend(workload, registry) {
      const index = indexOf.get(keyOf(workload));
      const { interception } = workload;
      if (index === undefined || interception.mode !== 'loopback') return undefined;
      const outbound = await outboundFor(index, interception.outbound, registry);
      return outbound.length > interception.outbound.length ? { ...interception, outbound } : undefined;
    },
    leave(key, workload) {
      const index = indexOf.get(keyOf(key));
      if (index === undefined) return;
      indexOf.delete(keyOf(key));
      indexes.release(index);
      if (workload) for (const used of addressesOf(workload)) taken.delete(used);
    },
    serviceAddress: () => undefined,
  };
}

function addressesOf(workload: RegisteredWorkload): string[] {
  const { interception } = workload;
  return [
    workload.adminAddress,
    ...workload.ports.map((port) => `${workload.address}:${port.meshPort}`),
    ...(interception.mode === 'loopback' ? interception.outbound.map((item) => `${item.bind}:${item.port}`) : []),
    ...(interception.mode === 'loopback' && interception.httpProxy
      ? [`${interception.httpProxy.bind}:${interception.httpProxy.port}`]
      : []),
  ];
}
