// The bundled program as a parent sees it: a child with a channel on descriptor 3.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { ChildMessage, ParentMessage } from '@weft/contracts';
import { type TempDir, tempDir } from '@weft/testkit';

const packageDir = fileURLToPath(new URL('../..', import.meta.url));

/** The program in a folder of its own, as an installation has it: with koffi where the bundle looks for it. */
export async function installProxy(): Promise<{ readonly dir: TempDir; readonly program: string }> {
  const dir = await tempDir();
  const program = bundleProxy(join(dir.path, 'dist'));
  await symlink(join(packageDir, 'node_modules'), join(dir.path, 'node_modules'));
  return { dir, program };
}

/** Bundles the program as its build does. @returns the file to run. */
function bundleProxy(outDir: string): string {
  const built = spawnSync(process.execPath, ['../../tools/bundle.mjs', outDir, 'src/main.ts'], {
    cwd: packageDir,
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (built.status !== 0) throw new Error(`bundle failed: ${built.stderr}`);
  return `${outDir}/main.js`;
}

export interface ProxyChild extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly messages: ChildMessage[];
  stdout(): string;
  stderr(): string;
  send(message: ParentMessage): void;
  /** What a parent's end does. */
  closeChannel(): void;
  readonly exited: Promise<number | null>;
}

export interface ChildOptions {
  /** A module that the program loads first. */
  readonly preload?: string;
  /** How many descriptors it may have open. */
  readonly descriptors?: number;
  /** Of each thread, in MiB. */
  readonly heap?: number;
}

export function startProxyChild(
  program: string,
  args: readonly string[],
  { preload, descriptors, heap }: ChildOptions = {},
): ProxyChild {
  const command = [
    process.execPath,
    ...(heap === undefined ? [] : [`--max-old-space-size=${heap}`]),
    ...(preload === undefined ? [] : [`--import=${pathToFileURL(preload).href}`]),
    program,
    ...args,
  ];
  const limited = ['/bin/sh', '-c', `ulimit -n ${descriptors}; exec "$0" "$@"`, ...command];
  const [file = '', ...more] = descriptors === undefined ? command : limited;
  const child = spawn(file, more, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const channel = child.stdio[3] as Duplex;
  const messages: ChildMessage[] = [];
  let [out, err, rest] = ['', '', ''];
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  channel.on('error', () => {});
  channel.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) messages.push(JSON.parse(line) as ChildMessage);
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return {
    child,
    messages,
    stdout: () => out,
    stderr: () => err,
    send: (message) => void channel.write(`${JSON.stringify(message)}\n`),
    closeChannel: () => void channel.destroy(),
    exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}

export interface PageAnswer {
  readonly status: number;
  readonly body: string;
}

/** One request to an admin page, or through the proxy. */
export function fetchPage(
  address: string,
  path: string,
  options: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<PageAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request(`http://${address}${path}`, { ...options, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.setTimeout(10_000, () => asked.destroy(new Error('no answer')));
    asked.end();
  });
}
