/** The built console, served by the real API over test sources, in a real browser. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createConsoleApi } from '@weft/console-api';
import { bookinfoSources, type Scenario } from '@weft/console-api/testing';
import { silentLogger, systemClock } from '@weft/kit';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TOKEN = 'console-test-token-0123456789abcdefghijklmn';
const PATHS = [
  process.env['WEFT_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** Undefined where there is none: the tests are then skipped with that reason. */
export const CHROMIUM = PATHS.find((path) => path !== undefined && existsSync(path));

/** The production build, into a folder of the test's own. */
export async function buildConsole(outDir: string): Promise<void> {
  // The test runner's NODE_ENV would put React's development build into the bundle.
  const before = process.env['NODE_ENV'];
  process.env['NODE_ENV'] = 'production';
  try {
    await build({ root: ROOT, logLevel: 'error', build: { outDir, emptyOutDir: true } });
  } finally {
    if (before !== undefined) process.env['NODE_ENV'] = before;
  }
}

export function launch(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error('no Chromium on this machine');
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
}

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The address that `weft dashboard` would open. */
  link(page: string): Promise<string>;
  close(): Promise<void>;
}

export async function serve(staticDir: string, scenario: Scenario = {}, port = 0): Promise<Served> {
  const api = await createConsoleApi({
    sources: bookinfoSources(systemClock, scenario),
    clock: systemClock,
    logger: silentLogger,
    token: TOKEN,
    staticDir,
    options: { streamIntervalMs: 500 },
  });
  const bound = await api.listen({ host: '127.0.0.1', port });
  const url = `http://127.0.0.1:${bound.port}`;
  const close = (): Promise<void> => api.close();
  return {
    url,
    port: bound.port,
    async link(path) {
      const response = await fetch(`${url}/api/v1/session/link`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ path }),
      });
      const made = (await response.json()) as { path: string };
      return url + made.path;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

export interface Visit {
  readonly page: Page;
  /** What went wrong on the page: exceptions, refused styles and scripts, failed requests. */
  readonly complaints: readonly string[];
}

export interface VisitOptions {
  readonly dark?: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly reducedMotion?: boolean;
}

export async function visit(browser: Browser, options: VisitOptions = {}): Promise<Visit> {
  const { dark = false, width = 1440, height = 900, reducedMotion = false } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: reducedMotion ? 'reduce' : 'no-preference',
    serviceWorkers: 'block',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    // A navigation ends the queries and the stream of the page before.
    if (why !== 'net::ERR_ABORTED') complaints.push(`request: ${request.url()} ${why}`);
  });
  page.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:|data:|blob:)/.test(request.url())) complaints.push(`outside: ${request.url()}`);
  });
  return { page, complaints };
}
