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
  const body = page === undefined ? {} : { path: `/${page.replace(/^\//, '')}` };
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
