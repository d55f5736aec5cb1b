import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@weft/kit';
import { waitFor } from '@weft/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { watchHealth, type HealthWatch } from './health-watch.ts';

const servers: Server[] = [];
let watch: HealthWatch | undefined;
afterEach(() => {
  watch?.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(status: () => number): Promise<number> {
  const server = createServer((_, response) => {
    response.statusCode = status();
    response.end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('watchHealth', () => {
  it('is starting until each answers as wanted, and says what is missing', async () => {
    let ready = 503;
    const seen: string[] = [];
    const host = '127.0.0.1';
    const [app, admin] = [await serve(() => 500), await serve(() => ready)];
    watch = watchHealth(
      [
        { what: 'the program', probe: { kind: 'http', path: '/' }, host, port: app },
        { what: 'the sidecar', probe: { kind: 'http', path: '/ready', status: 200 }, host, port: admin },
      ],
      { clock: systemClock, onChange: (health) => seen.push(health) },
    );
    await waitFor(() => watch?.waitingFor().join() === 'the sidecar');
    expect(seen).toEqual([]);
    ready = 200;
    await watch.ready;
    expect([seen, watch.waitingFor()]).toEqual([['healthy'], []]);
    ready = 503;
    await waitFor(() => seen.length === 2, { timeoutMs: 10_000 });
    expect(seen).toEqual(['healthy', 'unhealthy']);
  });
});
