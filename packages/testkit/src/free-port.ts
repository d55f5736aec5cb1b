import { createServer } from 'node:net';

/** A TCP port that was free a moment ago. Prefer port 0 where the program under test can report what it got. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === 'object' && address) resolve(address.port);
        else reject(new Error('no port was assigned'));
      });
    });
  });
}
