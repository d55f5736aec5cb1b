// Whether the other side of a connection is still there, while nothing is read from it: Node tells of the end of a
// socket only when it reads that far.
import type { Socket } from 'node:net';
import { descriptorOf } from './descriptor.ts';
import { loadSocketCalls, type SocketCalls } from './native-sockets.ts';

export interface PeerState {
  /** `ended`: it sends no more, and may still read. `gone`: it was reset. */
  readonly side: 'there' | 'ended' | 'gone';
  /** What it sent and nobody has read; -1 = not known. Over TLS these are bytes as they are on the wire. */
  readonly unread: number;
}

/** A system call and an object each time: for slow timers only. */
export type TellPeerState = (socket: Socket) => PeerState;

// Linux: tcp(7), and struct tcp_info of linux/tcp.h.
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const BYTES_RECEIVED_AT = 128;
const INFO_BYTES = 136;
const TCP_CLOSE = 7;
const AFTER_ITS_END: ReadonlySet<number> = new Set([6, 8, 9, 11]);
const UNKNOWN: PeerState = { side: 'there', unread: -1 };

/** @param load called once, when it is asked first. Where it can not, everybody seems to be there. */
export function peerStates(load: () => SocketCalls = loadSocketCalls): TellPeerState {
  let calls: SocketCalls | undefined;
  let tried = false;
  const info = Buffer.alloc(INFO_BYTES);
  const length = Buffer.alloc(4);
  return (socket) => {
    const fd = descriptorOf(socket);
    if (!tried) {
      tried = true;
      try {
        calls = load();
      } catch {
        // Who left is then noticed by the idle time of the request.
      }
    }
    if (calls === undefined || fd < 0) return UNKNOWN;
    length.writeUInt32LE(INFO_BYTES);
    if (calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, length) < 0) return UNKNOWN;
    const state = info[0] ?? 0;
    if (state === TCP_CLOSE) return { side: 'gone', unread: -1 };
    const whole = length.readUInt32LE(0) >= INFO_BYTES;
    const unread = whole ? Number(info.readBigUInt64LE(BYTES_RECEIVED_AT)) - socket.bytesRead : -1;
    return { side: AFTER_ITS_END.has(state) ? 'ended' : 'there', unread };
  };
}
