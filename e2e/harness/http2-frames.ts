/** HTTP/2 by hand, for clients that keep to no rule. */
import { connect, type Socket } from 'node:net';
import { waitFor } from '@weft/testkit';

export const TYPE = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8, continuation: 9 } as const; // prettier-ignore
export const END_STREAM = 1;
export const END_HEADERS = 4;
export const ENHANCE_YOUR_CALM = 11;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const parts = pairs.map(([id, value]) => {
    const bytes = Buffer.alloc(6);
    bytes.writeUInt16BE(id);
    bytes.writeUInt32BE(value, 2);
    return bytes;
  });
  return frame(TYPE.settings, 0, 0, Buffer.concat(parts));
}

/** Literals that leave the tables alone. */
export function block(lines: readonly string[]): Buffer {
  const text = (value: string): Buffer => Buffer.concat([length(value.length), Buffer.from(value, 'latin1')]);
  return Buffer.concat(
    lines.flatMap((line) => {
      const colon = line.indexOf(':', 1);
      return [Buffer.from([0]), text(line.slice(0, colon)), text(line.slice(colon + 1))];
    }),
  );
}

function length(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest > 127; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

export const head = (path: string, method = 'GET'): string[] => [
  `:method:${method}`,
  ':scheme:http',
  `:path:${path}`,
  ':authority:h',
];
export const headers = (stream: number, lines: readonly string[], endStream = true): Buffer =>
  frame(TYPE.headers, END_HEADERS | (endStream ? END_STREAM : 0), stream, block(lines));

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export interface Client extends Disposable {
  readonly socket: Socket;
  readonly frames: readonly Seen[];
  send(...bytes: readonly Buffer[]): void;
  readonly gone: boolean;
  /** Error code of GOAWAY; undefined before it came. */
  readonly goaway: number | undefined;
  /** Error code of the stream's end; -1 when it ended well. */
  endOf(stream: number): number | undefined;
  until(holds: () => boolean, what: string): Promise<void>;
}

/** @param localAddress who it seems to be. */
export async function http2Client(url: string, localAddress = '127.0.0.1', first = settings()): Promise<Client> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), localAddress });
  const frames: Seen[] = [];
  let [rest, gone] = [Buffer.alloc(0), false];
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const size = rest.length < 9 ? Infinity : rest.readUIntBE(0, 3);
      if (rest.length < 9 + size) return;
      frames.push({ type: rest[3] ?? 0, flags: rest[4] ?? 0, stream: rest.readUInt32BE(5), payload: rest.subarray(9, 9 + size) }); // prettier-ignore
      rest = rest.subarray(9 + size);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => (gone = true));
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
  const client: Client = {
    socket,
    frames,
    send: (...bytes) => void (socket.destroyed || socket.write(Buffer.concat(bytes))),
    get gone() {
      return gone;
    },
    get goaway() {
      return frames.find(({ type }) => type === TYPE.goaway)?.payload.readUInt32BE(4);
    },
    endOf(stream) {
      const reset = frames.find((one) => one.type === TYPE.reset && one.stream === stream);
      if (reset !== undefined) return reset.payload.readUInt32BE(0);
      const ended = (one: Seen): boolean =>
        one.stream === stream && one.type <= TYPE.headers && (one.flags & END_STREAM) !== 0;
      return frames.some(ended) ? -1 : undefined;
    },
    until: async (holds, what) => void (await waitFor(holds, { what })),
    [Symbol.dispose]: () => void socket.destroy(),
  };
  client.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), first);
  return client;
}
