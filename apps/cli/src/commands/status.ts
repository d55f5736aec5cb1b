/** `weft status`: is the mesh well, and if not, what is wrong and where. */
import type {
  CertificatesView,
  ConfigList,
  HealthStatus,
  MeshView,
  ProxyPage,
  ProxyView,
  WorkloadPage,
  WorkloadSummary,
} from '@weft/contracts/console-views';
import type { RegisteredWorkload, WorkloadPort } from '@weft/contracts';
import { callUnix, stateDirAt, type MeshInterception } from '@weft/local';
import { openApi, type ApiFlags } from '../api.ts';
import { EXIT } from '../exit-codes.ts';
import { stateDirOf } from '../mesh/options.ts';
import { describe } from '../output/diagnostics.ts';
import { commandFor, parseFormat, printData } from '../output/print.ts';
import { printable } from '../output/printable.ts';
import { age, table, type Column } from '../output/table.ts';

export interface StatusFlags extends ApiFlags {
  readonly all?: boolean;
  readonly output?: string;
}

interface SupervisorStatus {
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly controlPlanePid?: number;
  readonly interception: MeshInterception;
  readonly workloads: readonly RegisteredWorkload[];
}

interface Picture {
  readonly mesh: MeshView;
  readonly proxies: ProxyPage;
  readonly workloads: WorkloadPage;
  readonly certificates: CertificatesView;
  readonly config: ConfigList;
  readonly supervisor: SupervisorStatus;
}

const PROBLEMS: ReadonlySet<HealthStatus> = new Set<HealthStatus>(['failure', 'degraded', 'not-ready']);

export async function status(flags: StatusFlags): Promise<number> {
  const format = parseFormat(flags.output, ['table', 'json', 'yaml']);
  const picture = await takePicture(flags);
  if (format === 'table') {
    const tables = flags.all
      ? [workloadTable(picture), applicationTable(picture), proxyTable(picture), portTable(picture)]
      : [workloadTable(picture), whereToLook(picture, commandFor(flags.state))];
    process.stdout.write([summary(picture), refusals(picture), ...tables].join(''));
  } else {
    const { proxies, workloads, config, ...rest } = picture;
    printData(
      {
        apiVersion: 'weft.dev/v1',
        kind: 'Status',
        ...rest,
        proxies: proxies.items,
        workloads: workloads.items,
        files: config.files,
      },
      format,
    );
  }
  return PROBLEMS.has(picture.mesh.health.status) ? EXIT.problems : EXIT.ok;
}

async function takePicture(flags: StatusFlags): Promise<Picture> {
  const api = openApi(flags);
  const socket = stateDirAt(stateDirOf(flags.state)).supervisorSocket;
  const [mesh, proxies, workloads, certificates, config, supervisor] = await Promise.all([
    api.get<MeshView>('/api/v1/mesh'),
    api.get<ProxyPage>('/api/v1/proxies?limit=500'),
    api.get<WorkloadPage>('/api/v1/workloads?limit=500'),
    api.get<CertificatesView>('/api/v1/certificates'),
    api.get<ConfigList>('/api/v1/config?limit=500'),
    callUnix(socket, { method: 'GET', path: '/v1/status' }) as Promise<SupervisorStatus>,
  ]);
  return { mesh, proxies, workloads, certificates, config, supervisor };
}

function interceptionLine({ form, reason }: MeshInterception): string {
  const what = form === 'isolated' ? 'each workload in a network namespace of its own' : 'by addresses of 127.0.0.0/8';
  return `${form}: ${what}${reason === undefined ? '' : `; the isolated form is not possible here: ${reason}`}`;
}

function summary({ mesh, supervisor }: Picture): string {
  const { counts } = mesh;
  const up = age(supervisor.startedAt, mesh.generatedAt);
  const doubts = [
    ...(counts.configErrors > 0 ? [`${counts.configErrors} with errors`] : []),
    ...(counts.configWarnings > 0 ? [`${counts.configWarnings} with warnings`] : []),
  ];
  const processes = [
    `supervisor ${supervisor.pid}`,
    supervisor.controlPlanePid === undefined
      ? 'no control plane'
      : `control plane ${supervisor.controlPlanePid} (up ${age(mesh.startedAt, mesh.generatedAt)})`,
  ];
  const rows: readonly (readonly [string, string])[] = [
    ['mesh', `${mesh.meshId}, ${mesh.health.status}, up ${up}, trust domain ${mesh.trustDomain}`],
    ['interception', interceptionLine(supervisor.interception)],
    ['processes', processes.join(', ')],
    ['proxies', `${counts.proxiesSynced} of ${counts.proxies} in sync`],
    [
      'configuration',
      `${counts.config} object${counts.config === 1 ? '' : 's'}${doubts.length === 0 ? '' : `, ${doubts.join(', ')}`}`,
    ],
    ...mesh.open.map(({ name, url }): readonly [string, string] => [name, url]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}   ${printable(value)}\n`),
    ...mesh.attention.map(({ message }) => `  ! ${printable(message)}\n`),
  ].join('');
}

/** The next command, by what there is to see. */
function whereToLook({ workloads }: Picture, weft: (verb: string) => string): string {
  const ill = workloads.items.find((row) => row.health.status === 'failure' || row.proxy !== 'synced');
  const lines: readonly (readonly [string, string])[] = [
    [logsOf(ill ?? workloads.items[0], weft), 'what a workload said; --proxy for its sidecar'],
    [weft('dashboard'), 'the same as pictures, with traffic and traces'],
    [`${weft('status')} --all`, 'what each proxy has, certificates, every listener'],
  ];
  const width = Math.max(...lines.map(([command]) => command.length));
  return `\n${lines.map(([command, what]) => `${printable(command).padEnd(width)}   ${what}\n`).join('')}`;
}

function logsOf(row: WorkloadSummary | undefined, weft: (verb: string) => string): string {
  if (row === undefined) return `${weft('logs')} control-plane`;
  return `${weft('logs')} ${row.name}${row.namespace === 'default' ? '' : ` -n ${row.namespace}`}`;
}

const nameOf = (row: { readonly name: string; readonly namespace: string }): string => `${row.name}.${row.namespace}`;

function proxyTable({ mesh, proxies }: Picture): string {
  const type = (name: string): Column<ProxyView> => ({
    header: name,
    cell: (row) => row.sync.find((item) => item.type === name)?.state,
  });
  const columns: readonly Column<ProxyView>[] = [
    { header: 'proxy', cell: nameOf },
    ...['CDS', 'EDS', 'LDS', 'RDS'].map(type),
    { header: 'connected', cell: (row) => (row.connected ? age(row.connectedAt, mesh.generatedAt) : 'no') },
    { header: 'admin', cell: (row) => row.adminAddress },
  ];
  return `\n${table(columns, proxies.items)}`;
}

/** What proxies and files would not take, and why. */
function refusals({ proxies, config }: Picture): string {
  const nacks = proxies.items.flatMap((proxy) =>
    proxy.sync.flatMap(({ type, rejection }) =>
      rejection ? [`  ! ${nameOf(proxy)} refused ${type}: ${printable(rejection.message)}\n`] : [],
    ),
  );
  const files = config.files.flatMap(({ file, state, diagnostics }) => [
    ...(state === 'rejected' ? [`  ! ${printable(file)} is not valid: what it held before still serves\n`] : []),
    ...diagnostics.map((diagnostic) => `  ${describe(diagnostic, file)}\n`),
  ]);
  return [...nacks, ...files].join('');
}

type AddressOf = (workload: RegisteredWorkload, port: WorkloadPort) => string;

function addresses({ supervisor }: Picture, row: WorkloadSummary, address: AddressOf): string {
  const workload = supervisor.workloads.find((item) => nameOf(item) === nameOf(row));
  return workload?.ports.map((port) => address(workload, port)).join(' ') ?? '';
}

function workloadTable(picture: Picture): string {
  const columns: readonly Column<WorkloadSummary>[] = [
    { header: 'workload', cell: nameOf },
    { header: 'health', cell: (row) => row.health.status },
    { header: 'sidecar', cell: (row) => row.proxy },
    {
      header: 'mesh port',
      cell: (row) => addresses(picture, row, (workload, port) => `${workload.address}:${port.meshPort}`),
    },
  ];
  return `\n${table(columns, picture.workloads.items)}`;
}

function applicationTable(picture: Picture): string {
  const ends = (row: WorkloadSummary): string | undefined => {
    const found = picture.certificates.workloads.find(
      (item) => item.workload === row.name && item.namespace === row.namespace,
    );
    return found && new Date(found.notAfter).toISOString();
  };
  const columns: readonly Column<WorkloadSummary>[] = [
    { header: 'workload', cell: nameOf },
    {
      header: 'application',
      cell: (row) => addresses(picture, row, (_, port) => `${port.appAddress}:${port.appPort}`),
    },
    { header: 'certificate ends', cell: ends },
  ];
  return `\n${table(columns, picture.workloads.items)}`;
}

function portTable({ mesh }: Picture): string {
  const columns: readonly Column<MeshView['ports'][number]>[] = [
    { header: 'listens', cell: (row) => row.name },
    { header: 'address', cell: (row) => `${row.address}:${row.port}` },
    { header: 'owner', cell: (row) => row.owner },
    { header: 'who may use it', cell: (row) => row.authentication },
  ];
  return `\n${table(columns, mesh.ports)}`;
}
