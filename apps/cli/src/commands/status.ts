/** `weft status`: is the mesh well, and if not, what is wrong and where. */
import type {
  CertificatesView,
  MeshView,
  ProxyPage,
  ProxyView,
  WorkloadPage,
  ConfigList,
} from '@weft/contracts/console-views';
import { callUnix, stateDirAt, type Admission } from '@weft/local';
import { openApi, type ApiFlags } from '../api.ts';
import { stateDirOf } from '../mesh/options.ts';
import { describe } from '../output/diagnostics.ts';
import { parseFormat, printData } from '../output/print.ts';
import { printable } from '../output/printable.ts';
import { age, table } from '../output/table.ts';

export interface StatusFlags extends ApiFlags {
  readonly output?: string;
}

interface SupervisorStatus {
  readonly pid: number;
  readonly controlPlanePid?: number;
  readonly workloads: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly ports: Admission['ports'];
    readonly address: string;
    readonly proxyPid?: number;
    readonly appPid?: number;
    readonly waitingFor: readonly string[];
  }[];
}

export async function status(flags: StatusFlags): Promise<number> {
  const format = parseFormat(flags.output, ['table', 'json', 'yaml']);
  const api = openApi(flags);
  const [mesh, proxies, workloads, certificates, config, supervisor] = await Promise.all([
    api.get<MeshView>('/api/v1/mesh'),
    api.get<ProxyPage>('/api/v1/proxies?limit=500'),
    api.get<WorkloadPage>('/api/v1/workloads?limit=500'),
    api.get<CertificatesView>('/api/v1/certificates'),
    api.get<ConfigList>('/api/v1/config?limit=500'),
    callUnix(stateDirAt(stateDirOf(flags.state)).supervisorSocket, {
      method: 'GET',
      path: '/v1/status',
    }) as Promise<SupervisorStatus>,
  ]);
  if (format !== 'table') {
    printData(
      {
        apiVersion: 'weft.dev/v1',
        kind: 'Status',
        mesh,
        proxies: proxies.items,
        workloads: workloads.items,
        certificates,
        supervisor,
      },
      format,
    );
    return 0;
  }
  const out: string[] = [];
  const now = mesh.generatedAt;
  out.push(
    `mesh ${mesh.meshId}, trust domain ${mesh.trustDomain}, up ${age(mesh.startedAt, now)}: ${mesh.health.status}\n`,
  );
  for (const { message } of mesh.attention) out.push(`  ! ${printable(message)}\n`);
  out.push(
    '\n',
    table(
      [
        { header: 'proxy', cell: (row: ProxyView) => `${row.name}.${row.namespace}` },
        ...['CDS', 'EDS', 'LDS', 'RDS'].map((type) => ({
          header: type,
          cell: (row: ProxyView) => row.sync.find((item) => item.type === type)?.state,
        })),
        { header: 'connected', cell: (row: ProxyView) => (row.connected ? age(row.connectedAt, now) : 'no') },
        { header: 'admin', cell: (row: ProxyView) => row.adminAddress },
      ],
      proxies.items,
    ),
  );
  for (const proxy of proxies.items) {
    for (const { type, rejection } of proxy.sync) {
      if (rejection)
        out.push(`  ! ${proxy.name}.${proxy.namespace} refused ${type}: ${printable(rejection.message)}\n`);
    }
  }
  for (const { file, state, diagnostics } of config.files) {
    if (state === 'rejected') out.push(`  ! ${printable(file)} is not valid: what it held before still serves\n`);
    for (const diagnostic of diagnostics) out.push(`  ${describe(diagnostic)}\n`);
  }
  const local = new Map(supervisor.workloads.map((item) => [`${item.name}.${item.namespace}`, item]));
  out.push(
    '\n',
    table(
      [
        { header: 'workload', cell: (row) => `${row.name}.${row.namespace}` },
        { header: 'health', cell: (row) => row.health.status },
        {
          header: 'mesh address',
          cell: (row) =>
            local
              .get(`${row.name}.${row.namespace}`)
              ?.ports.map((port) => `${local.get(`${row.name}.${row.namespace}`)?.address}:${port.meshPort}`)
              .join(' '),
        },
        {
          header: 'app',
          cell: (row) =>
            local
              .get(`${row.name}.${row.namespace}`)
              ?.ports.map((port) => `${port.appAddress}:${port.appPort}`)
              .join(' '),
        },
        {
          header: 'certificate ends',
          cell: (row) => {
            const end = certificates.workloads.find(
              (item) => item.workload === row.name && item.namespace === row.namespace,
            )?.notAfter;
            return end === undefined ? undefined : new Date(end).toISOString();
          },
        },
      ],
      workloads.items,
    ),
  );
  out.push(
    '\n',
    table(
      [
        { header: 'listens', cell: (row) => row.name },
        { header: 'address', cell: (row) => `${row.address}:${row.port}` },
        { header: 'owner', cell: (row) => row.owner },
        { header: 'who may use it', cell: (row) => row.authentication },
      ],
      mesh.ports,
    ),
  );
  process.stdout.write(out.join(''));
  return mesh.health.status === 'failure' ? 1 : 0;
}
