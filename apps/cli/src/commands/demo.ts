/** `weft demo`: the mesh with Bookinfo in it, and what to try. */
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { WeftError } from '@weft/kit';
import { createBookinfo, parseWithout } from '../mesh/bookinfo.ts';
import { waitFirstPage } from '../mesh/first-page.ts';
import { inForeground, type ForegroundExtras } from '../mesh/foreground.ts';
import { parseMeshFlags, parseSeconds, type MeshFlags, type MeshOptions } from '../mesh/options.ts';
import { findPrograms } from '../mesh/programs.ts';
import { meshEnvironment, startMesh, waitReady, type RunningMesh } from '../mesh/start.ts';
import { startTraffic } from '../mesh/traffic.ts';
import { commandFor, say } from '../output/print.ts';

export interface DemoFlags extends MeshFlags {
  /** Requests per second, or true for the default of 5. */
  readonly traffic?: string | boolean;
  /** Parts to leave out, comma-separated. */
  readonly without?: string;
  /** Seconds until the first page must have come; 30 by default. */
  readonly timeout?: string;
}

interface DemoOptions extends MeshOptions {
  readonly without: ReadonlySet<string>;
  readonly timeoutMs: number;
}

/** Configuration that the demo begins with, when the folder holds none. */
const FIRST_CONFIG = ['bookinfo-gateway.yaml', 'destination-rule-all.yaml', 'peer-authentication-strict.yaml'];

export async function demo(flags: DemoFlags): Promise<number> {
  const options = parseMeshFlags(flags);
  const rps = trafficRate(flags.traffic);
  const without = parseWithout(flags.without);
  const timeoutMs = parseSeconds(flags.timeout, 30, '--timeout') * 1000;
  return inForeground(options, {
    hangUp: true,
    start: (extras) => startDemo(flags, { ...options, without, timeoutMs }, extras),
    started(mesh) {
      tellWhatToTry(mesh, rps, flags.state);
      return rps > 0 ? startTraffic(pageOf(mesh), rps) : () => {};
    },
  });
}

const pageOf = (mesh: RunningMesh): string => `http://${mesh.hostAddress}:${mesh.supervisor.ports.gateway}/productpage`;

async function startDemo(flags: DemoFlags, options: DemoOptions, extras: ForegroundExtras): Promise<RunningMesh> {
  const { progress, stopped } = extras;
  const { without, timeoutMs } = options;
  const note = (text: string): void => progress.note(text);
  const programs = findPrograms();
  const mesh = await startMesh(options, { ...extras, gateway: true });
  try {
    const { config } = mesh.dir;
    const remove = `${commandFor(flags.state)('delete')} KIND/NAME`;
    const reset = `to start fresh, stop and remove ${config}; "${remove}" takes away one object`;
    const isKept = seedConfig(config, programs.samples);
    if (isKept) note(`using the configuration that is in ${config}; ${reset}`);
    const bookinfo = createBookinfo(programs.bookinfo, meshEnvironment(), without, extras.hub !== undefined);
    mesh.supervisor.declare(await bookinfo.services());
    const parts = await bookinfo.workloads();
    progress.step(`starting Bookinfo: ${parts.map(({ spec }) => spec.name).join(', ')}`);
    const workloads = await Promise.all(parts.map((workload) => mesh.supervisor.run(workload)));
    for (const workload of workloads)
      await waitReady(workload.ready, () => workload.waitingFor(), workload.spec.name, progress, stopped);
    if (without.size > 0) {
      progress.done(`Bookinfo runs without ${[...without].join(', ')}`);
      return mesh;
    }
    progress.step('waiting for the first page through the mesh');
    const kept = isKept ? { kept: { dir: config, reset } } : {};
    await waitFirstPage({ url: pageOf(mesh), timeoutMs, note, stopped, ...kept });
    progress.done('Bookinfo answers through gateway, sidecars and mutual TLS');
    return mesh;
  } catch (error) {
    await mesh.stop(0);
    throw error;
  }
}

function trafficRate(flag: string | boolean | undefined): number {
  if (flag === undefined || flag === false) return 0;
  if (flag === true) return 5;
  if (/^\d+$/.test(flag) && Number(flag) >= 1 && Number(flag) <= 1000) return Number(flag);
  throw new WeftError('WEFT_USAGE', `--traffic needs requests per second from 1 to 1000, not "${flag}"`);
}

/** @returns whether there is configuration of an earlier run, which is then kept. */
function seedConfig(configDir: string, samples: string): boolean {
  const present = readdirSync(configDir, { recursive: true, withFileTypes: true }).some(({ name }) =>
    /\.(ya?ml|json)$/.test(name),
  );
  if (present) return true;
  for (const file of FIRST_CONFIG) {
    const from = join(samples, 'bookinfo', file);
    if (!existsSync(from))
      throw new WeftError('WEFT_NOT_BUILT', `the sample ${from} is missing`, { fix: 'check out the whole repository' });
    cpSync(from, join(configDir, file));
  }
  return false;
}

function tellWhatToTry(mesh: RunningMesh, rps: number, stateFlag: string | undefined): void {
  const { ports } = mesh.supervisor;
  const weft = commandFor(stateFlag);
  const samples = 'deploy/samples/bookinfo';
  say('');
  say(`  Bookinfo   http://127.0.0.1:${ports.gateway}/productpage`);
  say(`  Console    http://127.0.0.1:${ports.console}`);
  if (rps > 0) say(`  Traffic    ${rps} requests per second`);
  say('');
  const tries = [
    [`${weft('apply')} -f ${samples}/virtual-service-reviews-50-v3.yaml`, 'shift half of the traffic to reviews v3'],
    [`${weft('apply')} -f ${samples}/virtual-service-ratings-test-delay.yaml`, '7 s delay for the user jason'],
    [`${weft('dashboard')} traffic`, 'the live graph'],
    [`${weft('dashboard')} traces`, 'one page view as one trace'],
    [weft('status'), 'proxies, certificates, ports'],
  ] as const;
  const width = Math.max(...tries.map(([command]) => command.length));
  for (const [command, what] of tries) say(`    ${command.padEnd(width)}  # ${what}`);
  say('');
  say('  Ctrl-C stops everything.');
}
