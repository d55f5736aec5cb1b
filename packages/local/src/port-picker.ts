/** Finds ports that can be bound right now. */
import { createServer } from 'node:net';
import { errorCode, WeftError } from '@weft/kit';

/** Tries to bind and lets go. @returns the port bound (useful with port 0), or undefined when it is taken. */
export function tryPort(address: string, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const code = errorCode(error);
      if (code === 'EADDRINUSE' || code === 'EACCES') resolve(undefined);
      else
        reject(
          new WeftError('WEFT_ADDRESS_UNAVAILABLE', `can not bind ${address}:${port} (${code ?? error.message})`, {
            cause: error,
          }),
        );
    });
    server.listen({ host: address, port, exclusive: true }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound ? bound.port : undefined));
    });
  });
}

/** The preferred port when it is free, else any. `taken` holds what was promised but not yet bound; the result is added. */
export async function pickPort(address: string, preferred: number, taken: Set<string>): Promise<number> {
  const claim = (port: number): number => {
    taken.add(`${address}:${port}`);
    return port;
  };
  if (preferred !== 0 && !taken.has(`${address}:${preferred}`) && (await tryPort(address, preferred)) !== undefined)
    return claim(preferred);
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const port = await tryPort(address, 0);
    if (port !== undefined && !taken.has(`${address}:${port}`)) return claim(port);
  }
  throw new WeftError('WEFT_PORT_TAKEN', `no free port on ${address}`, {
    fix: 'close programs that hold many connections, or raise the local port range',
  });
}

/** A block 127.A.0.0/16 that nobody uses, or undefined where the system has only 127.0.0.1. @param start where to begin, so that meshes rarely meet. */
export async function findBlock(start: number): Promise<number | undefined> {
  const first = 16;
  const count = 235;
  for (let step = 0; step < count; step += 1) {
    const block = first + ((start + step) % count);
    try {
      if ((await tryPort(`127.${block}.1.1`, 15000)) !== undefined) return block;
    } catch {
      return undefined;
    }
  }
  return undefined;
}
