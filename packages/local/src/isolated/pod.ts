/** The network namespace of one workload: made when it starts, gone with the last of its processes. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ListenSockets } from '../listen-socket.ts';
import type { Libc } from '../libc.ts';
import type { PodPlan } from '../mesh-link.ts';
import { openAll, type WorkloadPlace } from '../workload-place.ts';
import { NAME_SERVER } from './address-plan.ts';
import { asUserCommand, enterCommand, unshareCommand } from './enter.ts';
import type { NetworkNamespaces } from './network-namespaces.ts';
import { dnsPlaceOf } from './pod-proxy.ts';
import { createPodProbe } from './pod-probe.ts';
import { nsswitchConf, podScript, resolvConf, wireScript, type PodFiles } from './scripts.ts';
import { startShell, type FedShell } from './shell.ts';

export interface PodDeps {
  readonly libc: Libc;
  readonly namespaces: NetworkNamespaces;
  readonly sockets: ListenSockets;
  /** Redirect rules as the plan's tool reads them. */
  readonly rules: (plan: PodPlan) => string;
  /** Sockets of the host that this workload serves (the gateway's), by address. */
  readonly hostSockets?: (address: string, port: number) => ListenSocketOfHost | undefined;
  readonly env: Readonly<Record<string, string>>;
}

export interface ListenSocketOfHost {
  readonly address: string;
  readonly port: number;
  readonly fd: number;
}

/** Called in the hub's namespace. @throws {WeftError} WEFT_POD. */
export async function createPod(plan: PodPlan, namespace: string, deps: PodDeps): Promise<WorkloadPlace> {
  const holder = await startShell((argv) => unshareCommand(false, argv), deps.env);
  const hub = await startShell((argv) => argv, deps.env).catch(closing(holder));
  try {
    await hub.run(wireScript(plan, holder.pid));
    await holder.run(podScript(plan, writeFiles(plan, namespace), plan.redirect ? deps.rules(plan) : ''));
  } catch (error) {
    await holder.close();
    throw error;
  } finally {
    await hub.close();
  }
  const network = deps.namespaces.of(holder.pid);
  const { user } = plan;
  return {
    pid: holder.pid,
    enter: (argv) => enterCommand({ pid: holder.pid, userNamespace: false }, argv),
    enterAsUser: (argv, cwd) =>
      enterCommand({ pid: holder.pid, userNamespace: false, cwd }, user ? asUserCommand(user, argv) : argv),
    openSockets: (wanted) =>
      openAll(wanted, ({ address, port, kind }) => {
        const ofHost = deps.hostSockets?.(address, port);
        // It is the host's as long as the mesh runs.
        if (ofHost) return { ...ofHost, kind: 'stream', close: () => {} };
        return network.run(() => deps.sockets.open(address, port, kind));
      }),
    adoptSocket: (pid, socket) => deps.sockets.adopt(pid, socket),
    probe: createPodProbe(network, deps.libc),
    async close() {
      network.close();
      await holder.close();
    },
  };
}

const closing =
  (shell: FedShell) =>
  async (error: unknown): Promise<never> => {
    await shell.close();
    throw error;
  };

function writeFiles(plan: PodPlan, namespace: string): PodFiles {
  const { etcDir, redirect } = plan;
  mkdirSync(etcDir, { recursive: true, mode: 0o700 });
  const write = (name: string, text: string): string => {
    const path = join(etcDir, name);
    // Other pods may be reading the one that is there.
    writeFileSync(`${path}.${process.pid}`, text, { mode: 0o644 });
    renameSync(`${path}.${process.pid}`, path);
    return path;
  };
  const names = nsswitchConf(readOr('/etc/nsswitch.conf', ''));
  return {
    resolvConf: write(
      `resolv.${namespace}.${redirect ? 'sidecar' : 'gateway'}.conf`,
      resolvConf(namespace, redirect ? NAME_SERVER : dnsPlaceOf(plan).address),
    ),
    nsswitchConf: names === undefined ? undefined : write('nsswitch.conf', names),
  };
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}
