/** `weft demo`: the mesh with Bookinfo in it, and what to try. */
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { WeftError } from '@weft/kit';
import { checkThisMachine } from '@weft/local';
import { chooseForm } from '../isolated/form.ts';
import { takeHandover } from '../isolated/handover.ts';
import { createBookinfo, parseWithout } from '../mesh/bookinfo.ts';
import { parseMeshFlags, type MeshFlags } from '../mesh/options.ts';
import { createProgress } from '../mesh/progress.ts';
import { findPrograms } from '../mesh/programs.ts';
import { watchShutdown } from '../mesh/shutdown.ts';
import { meshEnvironment, startMesh, waitReady, type RunningMesh } from '../mesh/start.ts';
import { startTraffic } from '../mesh/traffic.ts';
import { say } from '../output/print.ts';

export interface DemoFlags extends MeshFlags {
  /** Requests per second, or true for the default of 5. */
  readonly traffic?: string | boolean;
  /** Parts to leave out, comma-separated. */
  readonly without?: string;
}

/** Configuration that the demo begins with, when the folder holds none. */
const FIRST_CONFIG = ['bookinfo-gateway.yaml', 'destination-rule-all.yaml', 'peer-authentication-strict.yaml'];

export async function demo(flags: DemoFlags): Promise<number> {
  const options = parseMeshFlags(flags);
  const rps = trafficRate(flags.traffic);
  const without = parseWithout(flags.without);
  const handover = takeHandover(process.env);
  const form = handover ? undefined : chooseForm(options.interception, () => checkThisMachine(process.env));
  if (form?.form === 'isolated') return (await import('../isolated/hub-host.ts')).runHub(options, form.check);
  const formReason = form?.reason;
  const progress = createProgress();
  const shutdown = watchShutdown({ hangUp: true, inner: handover !== undefined, onSecond: () => process.exit(130) });
  const starting = start();
  // Asked to stop while starting: what is up already must still go down in order.
  const first = await Promise.race([starting, shutdown.asked]);
  if (typeof first === 'string') {
    progress.step(`stopping (${first})`);
    const mesh = await starting.catch(() => undefined);
    await mesh?.stop(0);
    shutdown.release();
    return 130;
  }
  const mesh = first;
  const stopTraffic =
    rps > 0 ? startTraffic(`http://${mesh.hostAddress}:${mesh.supervisor.ports.gateway}/productpage`, rps) : () => {};
  tellWhatToTry(mesh, rps, flags.state);
  const reason = await shutdown.asked;
  progress.step(`stopping (${reason}); once more to stop at once`);
  stopTraffic();
  await mesh.stop(options.drainMs);
  progress.done('everything is stopped');
  shutdown.release();
  return 0;

  async function start(): Promise<RunningMesh> {
    const programs = findPrograms();
    const mesh = await startMesh(options, {
      progress,
      gateway: true,
      ...(handover?.as === 'hub' ? { hub: handover.hub } : {}),
      ...(formReason === undefined ? {} : { formReason }),
      onShutdownAsked: () => shutdown.ask('weft was asked to stop'),
    });
    try {
      seedConfig(mesh.dir.config, programs.samples, (text) => progress.note(text));
      const bookinfo = createBookinfo(programs.bookinfo, meshEnvironment(), without, handover !== undefined);
      mesh.supervisor.declare(await bookinfo.services());
      const parts = await bookinfo.workloads();
      progress.step(`starting Bookinfo: ${parts.map(({ spec }) => spec.name).join(', ')}`);
      const workloads = await Promise.all(parts.map((workload) => mesh.supervisor.run(workload)));
      for (const workload of workloads)
        await waitReady(workload.ready, () => workload.waitingFor(), workload.spec.name, progress);
      if (without.size > 0) {
        progress.done(`Bookinfo runs without ${[...without].join(', ')}`);
        return mesh;
      }
      progress.step('waiting for the first page through the mesh');
      await firstPage(`http://${mesh.hostAddress}:${mesh.supervisor.ports.gateway}/productpage`);
      progress.done('Bookinfo answers through gateway, sidecars and mutual TLS');
      return mesh;
    } catch (error) {
      await mesh.stop(0);
      throw error;
    }
  }
}

function trafficRate(flag: string | boolean | undefined): number {
  if (flag === undefined || flag === false) return 0;
  if (flag === true) return 5;
  if (/^\d+$/.test(flag) && Number(flag) >= 1 && Number(flag) <= 1000) return Number(flag);
  throw new WeftError('WEFT_USAGE', `--traffic needs requests per second from 1 to 1000, not "${flag}"`);
}

function seedConfig(configDir: string, samples: string, note: (text: string) => void): void {
  const present = readdirSync(configDir, { recursive: true }).some((name) => /\.(ya?ml|json)$/.test(String(name)));
  if (present) {
    note(`using the configuration that is in ${configDir}`);
    return;
  }
  for (const file of FIRST_CONFIG) {
    const from = join(samples, 'bookinfo', file);
    if (!existsSync(from))
      throw new WeftError('WEFT_NOT_BUILT', `the sample ${from} is missing`, { fix: 'check out the whole repository' });
    cpSync(from, join(configDir, file));
  }
}

const FIRST_PAGE_MS = 30_000;

async function firstPage(url: string): Promise<void> {
  const endMs = Date.now() + FIRST_PAGE_MS;
  let last = 'no answer';
  while (Date.now() < endMs) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
      const body = await response.text();
      if (response.status === 200 && !/currently unavailable/i.test(body)) return;
      last = `status ${response.status}, reason ${response.headers.get('x-weft-reason') ?? '-'}`;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new WeftError('WEFT_TIMEOUT', `${url} did not answer as it should (${last})`, {
    fix: 'look at "weft status" and "weft logs productpage-v1"',
  });
}

function tellWhatToTry(mesh: RunningMesh, rps: number, stateFlag: string | undefined): void {
  const { ports } = mesh.supervisor;
  // What was not given is the default of the other commands, too.
  const place = stateFlag === undefined ? '' : ` --state ${stateFlag}`;
  const weft = (verb: string): string => `npx weft ${verb}${place}`;
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
