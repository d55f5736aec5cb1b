import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { freePort } from '@weft/testkit';
import { chooseHostPorts, HOST } from './mesh-ports.ts';

describe('ports on the host', () => {
  it('takes a named port also where the others are any', async () => {
    const gatewayPort = await freePort();
    const chosen = await chooseHostPorts({ ports: 'auto', gatewayPort, consolePort: 0 }, new Set());
    expect(chosen.gateway).toBe(gatewayPort);
    expect(chosen.console).toBeGreaterThan(0);
    expect(new Set(Object.values(chosen)).size).toBe(3);
  });

  it('refuses a named port that is taken, with the flag that mends it', async () => {
    const server = createServer().listen(0, HOST);
    await once(server, 'listening');
    const address = server.address();
    const consolePort = typeof address === 'object' && address ? address.port : 0;
    await expect(chooseHostPorts({ ports: 'auto', gatewayPort: 0, consolePort }, new Set())).rejects.toMatchObject({
      code: 'WEFT_PORT_TAKEN',
      fix: expect.stringContaining('--console-port') as unknown,
    });
    server.close();
  });
});
