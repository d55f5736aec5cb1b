import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { waitFirstPage } from './first-page.ts';

const closes: (() => void)[] = [];
afterEach(() => closes.splice(0).forEach((close) => close()));

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closes.push(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/productpage`;
}

const kept = { dir: '/mesh/config', reset: 'remove it to start fresh' };
const LACKING = '<p>Sorry, product reviews are currently unavailable for this book.</p>';

describe('waitFirstPage', () => {
  it('waits until the page is whole', async () => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked += 1;
      if (asked === 1) response.writeHead(503);
      response.end(asked < 3 ? LACKING : '<html>whole</html>');
    });
    const notes: string[] = [];
    await waitFirstPage({ url, kept, timeoutMs: 30_000, note: (text) => notes.push(text) });
    expect([asked, notes]).toEqual([3, []]);
  });

  it('with kept configuration a page that lacks parts is a note that says where and how to reset', async () => {
    const url = await serve((_, response) => response.end(LACKING));
    const notes: string[] = [];
    await waitFirstPage({ url, kept, timeoutMs: 30_000, note: (text) => notes.push(text), partsMs: 100 });
    expect(notes.join('\n')).toMatch(/reviews are currently unavailable[\s\S]*\/mesh\/config[\s\S]*to start fresh/);
  });

  it('waits no longer when the mesh is to stop, also for an answer', async () => {
    const stop = new AbortController();
    const url = await serve(() => stop.abort());
    await expect(waitFirstPage({ url, kept, timeoutMs: 30_000, note: () => {}, stopped: stop.signal })).rejects.toThrow(
      /abort/i,
    );
  });

  it.each([
    ['no page with kept configuration', 503, kept, /status 503.*$/],
    ['a page that lacks parts with the configuration of the sample', 200, undefined, /currently unavailable/],
  ])('refuses %s', async (_, status, own, message) => {
    const url = await serve((__, response) => response.writeHead(status).end(LACKING));
    const waiting = waitFirstPage({ url, note: () => {}, timeoutMs: 300, partsMs: 50, ...(own ? { kept: own } : {}) });
    await expect(waiting).rejects.toThrow(message);
    await expect(waiting).rejects.toMatchObject({ code: 'WEFT_TIMEOUT' });
  });
});
