/** `weft agent`: a workload whose sidecar (Envoy) and program the user starts. It joins the mesh, keeps the identity, serves it by SDS. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createAgent, createSecretServer, envoyBootstrap, type SocketAddress } from '@weft/agent';
import { controlPlaneId, spiffeId, type WorkloadIdentity } from '@weft/contracts';
import { createLogger, errorMessage, systemClock, WeftError } from '@weft/kit';
import {
  appEnvironment,
  certificateFacts,
  createRemoteLink,
  proxyNode,
  readMeshFile,
  stateDirAt,
  watchHealth,
  type Admission,
  type HealthTarget,
  type WorkloadSpec,
} from '@weft/local';
import { stateDirOf } from '../mesh/options.ts';
import { createProgress } from '../mesh/progress.ts';
import { watchShutdown } from '../mesh/shutdown.ts';
import { waitReady } from '../mesh/start.ts';
import { workloadSpec, type WorkloadFlags } from '../mesh/workload-spec.ts';
import { parseFormat, printData } from '../output/print.ts';

export interface AgentFlags extends WorkloadFlags {
  readonly state?: string;
  readonly healthPath?: string;
  readonly sdsSocket?: string;
  readonly bootstrap?: string;
  readonly output?: string;
}

// After it left the registry, clients need one push before they stop calling.
const LEAVE_MS = 400;

// By its own default Envoy keeps connections from before a change of policy on the old rules for up to ten minutes.
const DRAIN_FLAGS = '--drain-strategy immediate --drain-time-s 5';

export async function agent(flags: AgentFlags): Promise<number> {
  const format = parseFormat(flags.output, ['table', 'json']);
  const dir = stateDirAt(stateDirOf(flags.state));
  if (readMeshFile(dir)?.interception.form === 'isolated') {
    throw new WeftError(
      'WEFT_USAGE',
      'in an isolated mesh Weft starts the sidecars itself: "weft agent" has no place there',
      {
        fix: 'start the mesh with --interception loopback, or use "weft run"',
      },
    );
  }
  const spec = { ...(await workloadSpec(flags, false)), ownSidecar: true };
  const { name, namespace } = spec;
  const progress = createProgress();
  const logger = createLogger({ name: 'agent', level: 'warn' });
  const shutdown = watchShutdown({ hangUp: true, inner: false, onSecond: () => process.exit(130) });
  const link = createRemoteLink(dir.supervisorSocket, () => shutdown.ask('the mesh ended'));
  const opened: (() => void | Promise<void>)[] = [() => shutdown.release(), () => link.close()];
  try {
    const admission = await link.admit(spec);
    const identity = { trustDomain: admission.trustDomain, namespace, serviceAccount: spec.serviceAccount };
    const keeper = createAgent({
      identity,
      tokenSource: () => link.token(name, namespace),
      caAddress: () => ({ token: admission.caAddress, peer: admission.xdsAddress }),
      caRootPem: () => admission.rootCaPem,
      ttlMs: admission.certificateTtlMs,
      logger,
    });
    opened.push(() => keeper.close());
    keeper.subscribe(() => {
      const secrets = keeper.secrets();
      if (secrets) link.report(name, namespace, { certificate: certificateFacts(secrets.default) });
    });
    keeper.start();
    const secretServer = await createSecretServer({
      socketPath: resolve(flags.sdsSocket ?? join(dir.run, `${name}.${namespace}.sds`)),
      spiffeId: spiffeId(identity),
      origin: keeper,
      logger,
    });
    opened.push(() => secretServer.close());
    const certified = waitReady(
      keeper.ready().then(() => {}),
      () => [keeper.state().lastError ?? 'its certificate'],
      name,
      progress,
    );
    if (typeof (await Promise.race([certified, shutdown.asked])) === 'string') return 130;

    const bootstrap = bootstrapOf(spec, admission, identity, secretServer.socketPath);
    if (flags.bootstrap !== undefined) writeBootstrap(flags.bootstrap, bootstrap);
    const environment = environmentOf(spec, admission);
    const { socketPath: sdsSocket } = secretServer;
    if (format === 'json') printData({ ...admissionFacts(spec, admission), sdsSocket, environment, bootstrap }, 'json');
    else for (const [key, value] of Object.entries(environment)) process.stdout.write(`${key}=${value}\n`);
    progress.done(`${name} has joined as ${spiffeId(identity)}`);
    progress.done(`secrets are served at ${sdsSocket}`);
    if (flags.bootstrap !== undefined) {
      progress.done(`Envoy's bootstrap is in ${flags.bootstrap}`);
      progress.step(`start it with: envoy -c ${flags.bootstrap} ${DRAIN_FLAGS}`);
    }

    const health = watchHealth(healthTargets(spec, admission, flags), {
      clock: systemClock,
      onChange: (next) => link.report(name, namespace, { health: next }),
    });
    opened.push(() => health.close());
    progress.step(`waiting for ${health.waitingFor().join(' and ')}`);
    void health.ready.then(() => progress.done(`${name} is in the mesh as ${spec.service ?? 'a client'}`));
    progress.step(`stopping (${await shutdown.asked})`);
    health.close();
    link.report(name, namespace, { health: 'draining' });
    await new Promise<void>((done) => setTimeout(done, LEAVE_MS));
    return 0;
  } finally {
    for (const close of opened.toReversed()) await close();
  }
}

function bootstrapOf(
  spec: WorkloadSpec,
  admission: Admission,
  identity: WorkloadIdentity,
  sdsSocket: string,
): Readonly<Record<string, unknown>> {
  const node = proxyNode(spec, admission);
  return envoyBootstrap({
    nodeId: node.id,
    cluster: `${spec.service ?? spec.name}.${spec.namespace}`,
    metadata: node.metadata,
    xds: socketAddress(admission.xdsAddress),
    controlPlaneId: controlPlaneId(identity.trustDomain),
    sdsSocket,
    admin: socketAddress(admission.adminAddress),
  });
}

function writeBootstrap(file: string, bootstrap: Readonly<Record<string, unknown>>): void {
  try {
    writeFileSync(file, `${JSON.stringify(bootstrap, undefined, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    throw new WeftError('WEFT_FILE', `can not write ${file}: ${errorMessage(error)}`, { cause: error });
  }
}

function environmentOf(spec: WorkloadSpec, admission: Admission): Readonly<Record<string, string>> {
  const { httpProxy, outbound } = admission;
  const { host, port } = appPlace(spec);
  return appEnvironment({ host, port, outbound, namespace: spec.namespace, ...(httpProxy ? { httpProxy } : {}) });
}

const admissionFacts = (spec: WorkloadSpec, { address, adminAddress, ports, outbound }: Admission) => ({
  apiVersion: 'weft.dev/v1',
  kind: 'Agent',
  name: spec.name,
  namespace: spec.namespace,
  address,
  adminAddress,
  ports,
  outbound,
});

/** The workload takes traffic when its sidecar is live and its program answers. */
function healthTargets(spec: WorkloadSpec, admission: Admission, flags: AgentFlags): HealthTarget[] {
  const admin = socketAddress(admission.adminAddress);
  const app = appPlace(spec);
  return [
    {
      what: `its sidecar (admin at ${admission.adminAddress})`,
      probe: { kind: 'http', path: '/ready', status: 200 },
      ...admin,
    },
    {
      what: `its program to answer on ${app.host}:${app.port}`,
      probe: flags.healthPath === undefined ? { kind: 'tcp' } : { kind: 'http', path: flags.healthPath },
      ...app,
    },
  ];
}

function appPlace(spec: WorkloadSpec): SocketAddress {
  const [port] = spec.ports;
  return { host: port?.appAddress ?? '127.0.0.1', port: port?.appPort ?? 0 };
}

function socketAddress(text: string): SocketAddress {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) };
}
