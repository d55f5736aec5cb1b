/** The production build in a real browser against the real API. Skipped, with the reason, where there is no Chromium. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tempDir, type TempDir } from '@weft/testkit';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildConsole, CHROMIUM, launch, serve, type Served, visit } from './harness.ts';

const require = createRequire(import.meta.url);

const PAGES = [
  '/overview',
  '/traffic',
  '/traffic?view=table',
  '/services',
  '/services/default/reviews',
  '/workloads',
  '/workloads/default/reviews-v3',
  '/traces',
  '/config',
  '/config/networking.istio.io/VirtualService/default/ratings',
  '/mesh',
  '/open',
];

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

const why = CHROMIUM === undefined ? ' (skipped: no Chromium; set WEFT_CHROMIUM)' : '';

describe.skipIf(CHROMIUM === undefined)(`console in Chromium${why}`, { timeout: 60_000 }, () => {
  let dist: TempDir;
  let browser: Browser;
  let well: Served;
  let ill: Served;
  let axe: string;

  beforeAll(async () => {
    dist = await tempDir('weft-console-');
    await buildConsole(dist.path);
    browser = await launch();
    well = await serve(dist.path);
    ill = await serve(dist.path, { trouble: true });
    axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await well?.close();
    await ill?.close();
    await dist?.remove();
  });

  const loaded = (page: Page): Promise<void> =>
    page
      .waitForFunction(
        () => document.querySelector('h1') !== null && document.querySelector('[aria-busy="true"]') === null,
      )
      .then(() => {});

  interface Violation {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string }[];
  }
  /** Serious and critical findings of axe. */
  async function findings(page: Page): Promise<readonly string[]> {
    // Evaluated by the debugger, which the page's policy does not bind.
    await page.evaluate(axe);
    const violations = await page.evaluate<readonly Violation[]>(
      'axe.run(document, { resultTypes: ["violations"] }).then((result) => result.violations)',
    );
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
  }

  it.each(PAGES.flatMap((path) => [[path, false] as const, [path, true] as const]))(
    '%s (dark: %s) draws under the strict policy, without a complaint and without a serious finding of axe',
    async (path, dark) => {
      const { page, complaints } = await visit(browser, { dark, reducedMotion: true });
      await page.goto(ill.url + path);
      await loaded(page);
      if (path === '/traffic') await page.getByRole('group', { name: /^ratings-v1/ }).waitFor();
      expect(complaints).toEqual([]);
      expect(await page.evaluate('document.querySelectorAll("style, script:not([src])").length')).toBe(0);
      expect(await findings(page)).toEqual([]);
      await page.context().close();
    },
  );

  it('CO-01: draws the live graph with rates, errors, latency and locks, and moves while traffic flows', async () => {
    const { page, complaints } = await visit(browser);
    await page.goto(`${ill.url}/traffic`);
    const nodes = page.locator('.react-flow__node');
    await expect.poll(() => nodes.count()).toBe(8);
    await expect.poll(() => page.locator('.react-flow__edge').count()).toBe(8);
    await expect.poll(() => page.getByRole('img', { name: 'Mutual TLS' }).count()).toBe(7);
    await expect.poll(() => page.getByRole('img', { name: 'Plaintext' }).count()).toBe(1);
    expect(await nodes.filter({ hasText: 'ratings' }).innerText()).toMatch(
      /ratings\s+v1\s+[\d.]+\/s\s+1[12](\.\d)? %\s+[\d.]+ ms/,
    );
    const canvas = page.locator('canvas');
    const first = await canvas.screenshot();
    await page.waitForTimeout(300);
    expect(Buffer.compare(first, await canvas.screenshot())).not.toBe(0);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it.each([
    [1440, 900],
    [900, 520],
    [390, 844],
  ])('at %i × %i the buttons of the graph lie beside each other and beside the graph', async (width, height) => {
    // Workloads that nobody calls are the widest and highest of graphs.
    await using idle = await serve(dist.path, { traffic: false });
    const { page } = await visit(browser, { width, height, reducedMotion: true });
    await page.goto(`${idle.url}/traffic`);
    const nodes = page.locator('.react-flow__node');
    await expect.poll(() => nodes.count()).toBe(7);
    const boxesOf = async (found: Locator): Promise<Box[]> => {
      const boxes = await Promise.all((await found.all()).map((one) => one.boundingBox()));
      return boxes.flatMap((box) => box ?? []);
    };
    await expect
      .poll(async () => {
        const buttons = await boxesOf(page.locator('.react-flow__panel button'));
        const all = [...buttons, ...(await boxesOf(nodes))];
        return {
          buttons: buttons.length,
          overlaps: buttons.flatMap((a) => all.filter((b) => a !== b && overlap(a, b))),
        };
      })
      .toEqual({ buttons: 4, overlaps: [] });
    await page.context().close();
  });

  it('keeps still for people who want no motion', async () => {
    const { page } = await visit(browser, { reducedMotion: true });
    await page.goto(`${well.url}/traffic`);
    await expect.poll(() => page.locator('.react-flow__node').count()).toBe(8);
    expect(await page.locator('canvas').count()).toBe(0);
    await page.context().close();
  });

  it('follows the event stream: numbers change without a reload, and stop when paused', async () => {
    const { page } = await visit(browser, { reducedMotion: true });
    let graphs = 0;
    page.on('request', (request) => {
      if (request.url().includes('/api/v1/graph')) graphs += 1;
    });
    await page.goto(`${well.url}/traffic`);
    const gateway = page.locator('.react-flow__node', { hasText: 'weft-gateway' });
    const before = await gateway.innerText();
    await expect.poll(() => gateway.innerText(), { timeout: 20_000 }).not.toBe(before);
    expect(graphs).toBeLessThanOrEqual(2);
    await page.keyboard.press('p');
    await page.getByText('Paused').waitFor();
    await page.context().close();
  });

  it('opens a node from the graph, keeps it in the address, and goes back', async () => {
    const { page, complaints } = await visit(browser, { reducedMotion: true });
    await page.goto(`${ill.url}/traffic`);
    await page.locator('.react-flow__node', { hasText: 'ratings' }).click();
    const panel = page.getByRole('complementary', { name: 'Details' });
    await panel.getByText(/of requests failed with 5xx/).waitFor();
    expect(page.url()).toContain('sel=workload%2Fdefault%2Fratings-v1');
    const copy = await page.context().newPage();
    await copy.goto(page.url());
    await copy.getByRole('complementary', { name: 'Details' }).getByText('reviews-v2').first().waitFor();
    await panel.getByRole('link', { name: 'ratings-v1' }).first().click();
    await page.getByRole('heading', { level: 1, name: 'ratings-v1' }).waitFor();
    await page.goBack();
    await panel.waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => panel.count()).toBe(0);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('works by keyboard: places, filter, help', async () => {
    const { page } = await visit(browser);
    await page.goto(`${well.url}/overview`);
    await loaded(page);
    for (const [keys, heading] of [
      ['gs', 'Services'],
      ['gw', 'Workloads'],
      ['gr', 'Traces'],
      ['gc', 'Configuration'],
      ['gm', 'Mesh'],
      ['gt', 'Traffic'],
    ] as const) {
      await page.keyboard.type(keys);
      await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    }
    await page.keyboard.type('gs');
    await page.getByRole('heading', { level: 1, name: 'Services' }).waitFor();
    await page.getByPlaceholder('Filter by name').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('rat');
    await expect.poll(() => page.locator('tbody tr').count()).toBe(1);
    expect(page.url()).toContain('q=rat');
    await page.keyboard.press('Escape');
    await page.locator('h1').click();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    await page.context().close();
  });

  it('selects a node with Tab and Enter', async () => {
    const { page } = await visit(browser, { reducedMotion: true });
    await page.goto(`${well.url}/traffic`);
    const node = page.locator('.react-flow__node', { hasText: 'details' });
    await node.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'Details' }).getByText('details-v1').first().waitFor();
    await page.context().close();
  });

  it('shows one trace as a waterfall, parents above children, with attributes', async () => {
    const { page, complaints } = await visit(browser);
    await page.goto(`${ill.url}/traces?errors=true`);
    await page.locator('tbody a').first().click();
    const spans = page.getByRole('option');
    await expect.poll(() => spans.count()).toBeGreaterThan(5);
    await spans.filter({ hasText: 'reviews' }).last().click();
    await page.getByText('upstream-connect-failure').waitFor();
    expect(page.url()).toMatch(/\/traces\/[0-9a-f]{32}\?.*span=/);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('shows YAML with the finding at its line', async () => {
    const { page } = await visit(browser);
    await page.goto(`${well.url}/config/networking.istio.io/VirtualService/default/ratings`);
    const line = page.locator('#L13');
    await line.waitFor();
    expect(await line.innerText()).toContain('No DestinationRule of ratings defines the subset "v2"');
    await page.context().close();
  });

  it('says what to do when there is nothing', async () => {
    await using empty = await serve(dist.path, { empty: true });
    await using idle = await serve(dist.path, { traffic: false });
    const { page, complaints } = await visit(browser);
    for (const path of ['/overview', '/traffic', '/services', '/workloads', '/traces', '/mesh']) {
      await page.goto(empty.url + path);
      await page.getByText('weft demo --traffic').first().waitFor();
    }
    await page.goto(`${empty.url}/config`);
    await page.getByText('weft apply -f').waitFor();
    await page.goto(`${idle.url}/traffic`);
    await page.getByText('No traffic in this time').waitFor();
    await expect.poll(() => page.locator('.react-flow__node').count()).toBe(7);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('keeps the last picture while the control plane is away, and goes on when it is back', async () => {
    const first = await serve(dist.path);
    const { page } = await visit(browser, { reducedMotion: true });
    await page.goto(`${first.url}/traffic`);
    await expect.poll(() => page.locator('.react-flow__node').count()).toBe(8);
    await first.close();
    await page.getByText('Connection lost').waitFor({ timeout: 20_000 });
    expect(await page.locator('.react-flow__node').count()).toBe(8);
    await using _again = await serve(dist.path, {}, first.port);
    await page.getByText('Live', { exact: true }).waitFor({ timeout: 30_000 });
    await page.context().close();
  });

  it('has its own page for what is not there', async () => {
    const { page } = await visit(browser);
    await page.goto(`${well.url}/services/default/nothing`);
    await page.getByText('There is no service nothing in default.').waitFor();
    await page.goto(`${well.url}/no-such-page`);
    await page.getByText('There is no such page.').waitFor();
    await page.context().close();
  });

  it('becomes able to write by a link that works once, and leaves no code in the address', async () => {
    const { page } = await visit(browser);
    await page.goto(`${well.url}/overview`);
    await page.getByRole('button', { name: 'Read-only' }).waitFor();
    const link = await well.link('/traces');
    await page.goto('about:blank');
    await page.goto(link);
    await page.getByRole('button', { name: 'May write' }).waitFor();
    await page.getByRole('heading', { level: 1, name: 'Traces' }).waitFor();
    expect(page.url()).toMatch(/\/traces$/);
    const cookies = await page.context().cookies();
    expect(cookies).toMatchObject([{ name: 'weft_session', httpOnly: true, sameSite: 'Strict' }]);
    expect(
      await page.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage, cookie: document.cookie })'),
    ).not.toContain(cookies[0]?.value);
    await page.getByRole('button', { name: 'May write' }).click();
    await page.getByRole('menuitem', { name: 'End session' }).click();
    await page.getByRole('button', { name: 'Read-only' }).waitFor();
    await page.goto('about:blank');
    await page.goto(link);
    await page.getByText('This link was used already').waitFor();
    await page.context().close();
  });

  it('may write, although an answer from before the session comes behind it', async () => {
    const { page } = await visit(browser);
    let sold = (): void => {};
    const bought = new Promise<void>((resolve) => (sold = resolve));
    await page.route('**/api/v1/session', async (route) => {
      const response = await route.fetch();
      const isSale = route.request().method() === 'POST';
      if (!isSale) await bought;
      // Whoever asked may have gone.
      await route.fulfill({ response }).catch(() => {});
      if (isSale) setTimeout(sold, 100);
    });
    await page.goto(await well.link('/traces'));
    await page.getByRole('heading', { level: 1, name: 'Traces' }).waitFor();
    await page.getByRole('button', { name: 'May write' }).waitFor();
    await page.context().close();
  });

  it('changes the colour scheme at once and keeps it', async () => {
    const { page } = await visit(browser);
    await page.goto(`${well.url}/overview`);
    await page.getByRole('button', { name: 'Colour scheme' }).click();
    await page.getByRole('menuitem', { name: 'Dark' }).click();
    const scheme = (): Promise<string | null> => page.locator('html').getAttribute('data-mantine-color-scheme');
    await expect.poll(scheme).toBe('dark');
    await page.reload({ waitUntil: 'commit' });
    await expect.poll(scheme).toBe('dark');
    await page.context().close();
  });

  it('loads little: the first page within 250 kB of compressed script, graph and charts on demand', async () => {
    const { page } = await visit(browser);
    const scripts = new Map<string, number>();
    page.on('response', (response) => {
      const name = new URL(response.url()).pathname;
      if (name.endsWith('.js')) scripts.set(name, Number(response.headers()['content-length'] ?? 0));
    });
    await page.goto(`${well.url}/services`);
    await loaded(page);
    const total = [...scripts.values()].reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(50_000);
    expect(total).toBeLessThan(250_000);
    expect([...scripts.keys()].some((name) => /flow|charts/.test(name))).toBe(false);
    await page.context().close();
  });
});
