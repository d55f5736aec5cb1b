/** `weft dashboard`: opens the console, signed in by a link that works once. */
import { spawn } from 'node:child_process';
import type { MeshView, SessionLink } from '@weft/contracts/console-views';
import { WeftError } from '@weft/kit';
import { openApi, type ApiFlags } from '../api.ts';
import { say } from '../output/print.ts';

export interface DashboardFlags extends ApiFlags {
  readonly browser: boolean;
}

export async function dashboard(page: string | undefined, flags: DashboardFlags): Promise<number> {
  const api = openApi(flags);
  const mesh = await api.get<MeshView>('/api/v1/mesh');
  const base = mesh.open.find((item) => item.name.toLowerCase() === 'console')?.url;
  if (base === undefined) throw new WeftError('WEFT_NO_CONSOLE', 'this mesh serves no console');
  const body = page === undefined ? {} : { path: pathOf(page) };
  const link = await api.post<SessionLink>('/api/v1/session/link', body);
  const url = new URL(link.path, base).href;
  process.stdout.write(`${url}\n`);
  if (!flags.browser || !process.stdout.isTTY) return 0;
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(opener, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => say('open it in a browser: it works once'));
  child.unref();
  return 0;
}

/** What people call the pages, and where they are. */
const PAGES: Readonly<Record<string, string>> = {
  overview: '/',
  traffic: '/traffic',
  graph: '/traffic',
  services: '/services',
  workloads: '/workloads',
  traces: '/traces',
  config: '/config',
  mesh: '/mesh',
};

/** A page by its name, or a path below one (`traces/4bf9…`). @throws {WeftError} WEFT_USAGE that lists them. */
function pathOf(page: string): string {
  const [name = '', ...below] = page.replace(/^\//, '').split('/');
  const path = Object.hasOwn(PAGES, name) ? PAGES[name] : undefined;
  if (path !== undefined) return [path, ...below].join('/');
  throw new WeftError('WEFT_USAGE', `the console has no page "${page}"`, {
    fix: `use one of: ${Object.keys(PAGES).join(', ')}`,
  });
}
