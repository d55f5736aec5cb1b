/** Many connections that do little. */
import { connect, type Socket } from 'node:net';

export interface Crowd {
  readonly sockets: readonly Socket[];
  /** How many are still open. */
  open(): number;
  close(): Promise<void>;
}

/** @param write what each says at once. From several addresses, since one has too few ports for many. */
export async function crowd(url: string, count: number, write = '', atOnce = 500): Promise<Crowd> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  const gone = new Set<Socket>();
  const one = (index: number): Promise<void> =>
    new Promise((resolve) => {
      const localAddress = `127.0.0.${2 + Math.floor(index / 20_000)}`;
      const socket = connect({ host: hostname, port: Number(port), localAddress });
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('data', () => {});
      socket.on('close', () => {
        gone.add(socket);
        resolve();
      });
      socket.on('connect', () => {
        if (write !== '') socket.write(write);
        resolve();
      });
    });
  for (let from = 0; from < count; from += atOnce)
    await Promise.all(Array.from({ length: Math.min(atOnce, count - from) }, (_, i) => one(from + i)));
  return {
    sockets,
    open: () => sockets.length - gone.size,
    async close() {
      sockets.forEach((socket) => socket.destroy());
      while (gone.size < sockets.length) await new Promise((resolve) => setTimeout(resolve, 20));
    },
  };
}
