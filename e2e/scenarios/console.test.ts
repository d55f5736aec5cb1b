/** The console as a person sees it, in a real browser on a real mesh. */
import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { counterSum, scrape } from '../harness/metrics.ts';
import { waitFor } from '@weft/testkit';

const executablePath = [
  process.env['WEFT_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path));
if (!executablePath) console.warn('skipped: CO-01 needs Chromium (apt install chromium, or its path in WEFT_CHROMIUM)');

describe.skipIf(!executablePath)('CO-01 live graph', () => {
  let mesh: TestMesh;
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    mesh = await startMesh({ command: 'demo', args: ['--traffic', '20'] });
    browser = await chromium.launch({
      executablePath: executablePath ?? '',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--no-first-run'],
    });
    page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
  });
  afterAll(async () => {
    await browser?.close();
    await mesh?.[Symbol.asyncDispose]();
  });

  it('CO-01 shows every service of Bookinfo with rates and locks, and moves while traffic flows', async () => {
    await page.goto(`${mesh.console}/traffic`);
    for (const service of ['productpage', 'details', 'reviews', 'ratings']) {
      await page.getByText(service, { exact: false }).first().waitFor({ timeout: 30_000 });
    }
    const text = () => page.locator('main').innerText();
    await waitFor(async () => /\d(\.\d+)?\s*(rps|req\/s|\/s)/.test(await text()), {
      timeoutMs: 30_000,
      what: 'rates on the graph',
    });
    const first = await text();
    await waitFor(async () => (await text()) !== first, { timeoutMs: 30_000, what: 'the graph to move' });
    if (process.env['WEFT_SCREENSHOTS'])
      await page.screenshot({ path: `${process.env['WEFT_SCREENSHOTS']}/console-graph.png` });
    expect(errors).toEqual([]);
  });

  it('CO-01 the graph has the numbers of the counters', async () => {
    interface Edge {
      readonly source: string;
      readonly target: string;
      readonly mtls: string;
    }
    const graph = await mesh.api<{ edges: readonly Edge[]; nodes: readonly { id: string; service?: string }[] }>(
      '/api/v1/graph',
    );
    expect(graph.nodes.map((node) => node.service)).toEqual(
      expect.arrayContaining(['productpage', 'details', 'ratings']),
    );
    expect(graph.edges.length).toBeGreaterThanOrEqual(4);
    const { adminAddress } = await mesh.workload('details-v1');
    expect(counterSum(await scrape(adminAddress), /^istio_requests_total\{.*reporter="destination"/)).toBeGreaterThan(
      0,
    );
  });

  it('CO-01 an address of a page that does not exist says so', async () => {
    await page.goto(`${mesh.console}/no-such-page`);
    await page
      .getByText(/not found|no such page/i)
      .first()
      .waitFor({ timeout: 10_000 });
  });
});
