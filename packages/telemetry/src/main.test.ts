import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import {
  type ReportRequest,
  type ReportResponse,
  TelemetryService,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { tempDir, type TempDir } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceDefinition } from './server/grpc.ts';
import { exchange } from './testing/grpc-server.ts';
import { edge, FakeProxy } from './testing/fake-proxy.ts';

let folder: TempDir;
let program: string;

beforeAll(async () => {
  folder = await tempDir();
  const root = fileURLToPath(new URL('..', import.meta.url));
  execFileSync(process.execPath, ['../../tools/bundle.mjs', join(folder.path, 'dist'), 'src/main.ts'], { cwd: root });
  program = join(folder.path, 'dist/main.js');
}, 60_000);

afterAll(() => folder.remove());

async function start(dir: string) {
  const flags = [
    '--dir',
    join(folder.path, dir),
    '--plaintext',
    '--address',
    '127.0.0.1:0',
    '--metrics-address',
    '127.0.0.1:0',
  ];
  const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, ...(JSON.parse(line.toString()) as { port: number; metricsPort: number }) };
}

async function send(port: number, messages: readonly ReportRequest[]): Promise<void> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const method = serviceDefinition(TelemetryService)['report'];
  if (!method) throw new Error('no method report');
  const stream = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
  await exchange(stream as ClientDuplexStream<ReportRequest, ReportResponse>, messages);
  stream.on('error', () => {});
  client.close();
}

describe('the telemetry program', () => {
  it('runs alone, and counts on after kill -9 and after SIGTERM', async () => {
    const proxy = new FakeProxy({ startMs: Date.now() });
    const counted = async (port: number) => {
      const page = await (await fetch(`http://127.0.0.1:${port}/metrics/mesh`)).text();
      return Number(/^istio_requests_total\{.*\} (\d+)$/m.exec(page)?.[1]);
    };
    let total = 0;
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGTERM'] as const) {
      const { child, port, metricsPort } = await start('store');
      if (total > 0) expect(await counted(metricsPort)).toBe(total);
      const hello = proxy.helloMessage();
      proxy.request(edge({}), 3, 5);
      total += 5;
      await send(port, [hello, proxy.report(Date.now())]);
      expect(await counted(metricsPort)).toBe(total);
      expect(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()).toContain(
        'weft_telemetry_series 2',
      );
      const ended = once(child, 'exit');
      child.kill(signal);
      expect(await ended).toEqual(signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null]);
    }
  });

  it('says what is missing', () => {
    const run = (...flags: string[]) => spawnSync(process.execPath, [program, ...flags], { encoding: 'utf8' });
    expect(run('--help').stdout).toContain('--metrics-address');
    const refused = run('--dir', join(folder.path, 'x'));
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('--cert, --key and --ca');
    expect(run('--dir', join(folder.path, 'x'), '--plaintext', '--address', '0.0.0.0:0').stderr).toContain(
      'only for loopback',
    );
  });
});
