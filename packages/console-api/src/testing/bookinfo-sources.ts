/**
 * Bookinfo as console sources, without a mesh behind them: for tests of the API and the console. Every number follows from
 * the clock, so that two runs draw the same picture.
 */
import type { RegisteredWorkload } from '@weft/contracts';
import type { Clock } from '@weft/kit';
import type { CertificateRecord, ConsoleSources, ProxyRecord, ServiceRecord } from '../ports.ts';
import { bookinfoConfig } from './bookinfo-config.ts';
import { bookinfoTelemetry } from './bookinfo-telemetry.ts';
import { hexOf, type Scenario } from './scenario.ts';

export interface BookinfoSources extends ConsoleSources {
  /** Acts as if proxies or the registry had changed. */
  changed(what: 'proxies' | 'registry'): void;
}

const HOUR_MS = 3_600_000;
const PORT = 9080;

const APPS = [
  ['gateway', 'v1', 1],
  ['productpage', 'v1', 2],
  ['details', 'v1', 3],
  ['reviews', 'v1', 4],
  ['reviews', 'v2', 5],
  ['reviews', 'v3', 6],
  ['ratings', 'v1', 7],
] as const;

export function bookinfoSources(clock: Clock, scenario: Scenario = {}): BookinfoSources {
  const startedAt = clock.now() - HOUR_MS;
  const workloads = scenario.empty ? [] : APPS.map(([app, version, n]) => workload(app, version, n, startedAt));
  const services: readonly ServiceRecord[] = scenario.empty
    ? []
    : ['productpage', 'details', 'reviews', 'ratings'].map((name) => ({
        namespace: 'default',
        name,
        hostname: `${name}.default.svc.cluster.local`,
        ports: [{ name: 'http', port: PORT, protocol: 'http' }],
        internal: true,
      }));
  const listeners = { proxies: new Set<() => void>(), registry: new Set<() => void>() };
  const subscribe = (what: 'proxies' | 'registry') => (changed: () => void) => {
    listeners[what].add(changed);
    return () => void listeners[what].delete(changed);
  };

  return {
    mesh: { info: () => meshInfo(startedAt) },
    config: bookinfoConfig(clock, scenario.empty === true),
    registry: { services: () => services, workloads: () => workloads, subscribe: subscribe('registry') },
    proxies: {
      list: () => workloads.map((item) => proxy(item, clock.now(), scenario.trouble === true)),
      subscribe: subscribe('proxies'),
    },
    certificates: {
      roots: () => [authority('Weft Root CA', 'Weft Root CA', startedAt, 10 * 365 * 24)],
      intermediates: () => [authority('Weft Intermediate CA', 'Weft Root CA', startedAt, 365 * 24)],
      workloads: () => workloads.map((item) => leaf(item, clock.now(), scenario.trouble === true)),
    },
    telemetry: bookinfoTelemetry(clock, scenario),
    changed: (what) => {
      for (const listener of listeners[what]) listener();
    },
  };
}

function workload(app: string, version: string, n: number, startedAt: number): RegisteredWorkload {
  const gateway = app === 'gateway';
  const name = gateway ? 'weft-gateway' : `${app}-${version}`;
  return {
    name,
    namespace: gateway ? 'weft-system' : 'default',
    kind: gateway ? 'gateway' : 'sidecar',
    serviceAccount: gateway ? 'weft-gateway' : `bookinfo-${app}`,
    labels: { app: gateway ? 'weft-gateway' : app, version },
    ...(gateway ? {} : { service: app }),
    address: `127.66.${n}.1`,
    ports: gateway
      ? []
      : [{ name: 'http', servicePort: PORT, meshPort: PORT, appAddress: '127.0.0.1', appPort: 40_000 + n }],
    interception: gateway
      ? { mode: 'gateway', binds: [{ gatewayPort: 8080, bind: '127.0.0.1', port: 8080 }] }
      : { mode: 'loopback', outbound: [] },
    health: 'healthy',
    adminAddress: `127.66.${n}.1:15000`,
    startedAt,
  };
}

function proxy(item: RegisteredWorkload, nowMs: number, trouble: boolean): ProxyRecord {
  const { name, namespace, kind, address, adminAddress, startedAt } = item;
  const rejects = trouble && name === 'reviews-v3';
  return {
    id: `${kind === 'gateway' ? 'router' : 'sidecar'}~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`,
    namespace,
    name,
    kind,
    version: '0.1.0',
    connected: true,
    connectedAt: startedAt,
    adminAddress,
    sync: ['CDS', 'EDS', 'LDS', 'RDS'].map((type, i) => ({
      type,
      state: rejects && type === 'RDS' ? ('rejected' as const) : ('synced' as const),
      version: '7',
      resources: 4 + i,
      sinceMs: nowMs - 90_000,
      ...(rejects && type === 'RDS'
        ? {
            rejection: {
              message: '9080: virtual host "ratings": route 0: the weights add up to 0',
              at: nowMs - 90_000,
              config: [{ group: 'networking.istio.io', kind: 'VirtualService', namespace: 'default', name: 'ratings' }],
            },
          }
        : {}),
    })),
  };
}

function leaf(item: RegisteredWorkload, nowMs: number, trouble: boolean): CertificateRecord {
  const late = trouble && item.name === 'details-v1';
  const usedMs = late ? 21 * HOUR_MS : 3 * HOUR_MS;
  return {
    subject: `spiffe://cluster.local/ns/${item.namespace}/sa/${item.serviceAccount}`,
    namespace: item.namespace,
    workload: item.name,
    serial: hexOf(item.name, 16),
    issuer: 'Weft Intermediate CA',
    fingerprint: hexOf(item.name, 64),
    notBefore: nowMs - usedMs,
    notAfter: nowMs - usedMs + 24 * HOUR_MS,
    renewedAt: nowMs - usedMs,
    ...(late ? { renewalFailures: 4 } : {}),
  };
}

const authority = (subject: string, issuer: string, notBefore: number, hours: number): CertificateRecord => ({
  subject,
  serial: hexOf(subject, 16),
  issuer,
  fingerprint: hexOf(subject, 64),
  notBefore,
  notAfter: notBefore + hours * HOUR_MS,
});

const meshInfo = (startedAt: number) => ({
  meshId: 'mesh-1f0c',
  trustDomain: 'cluster.local',
  version: '0.1.0',
  startedAt,
  interception: 'loopback',
  ports: [
    {
      name: 'console',
      address: '127.0.0.1',
      port: 20_001,
      owner: 'control-plane',
      authentication: 'reads: Host and Origin checked; writes: token or session',
    },
    {
      name: 'xds',
      address: '127.0.0.1',
      port: 15_012,
      owner: 'control-plane',
      authentication: 'mutual TLS, SPIFFE identity of this mesh',
    },
    {
      name: 'ca',
      address: '127.0.0.1',
      port: 15_013,
      owner: 'control-plane',
      authentication: 'TLS; single-use bearer token',
    },
    {
      name: 'gateway-http',
      address: '127.0.0.1',
      port: 8080,
      owner: 'gateway',
      authentication: 'none: it is the way in',
    },
  ],
  open: [
    {
      name: 'Bookinfo',
      url: 'http://127.0.0.1:8080/productpage',
      description: 'The sample application, through the gateway.',
    },
  ],
});
