import type { Rule } from '../disagreements.ts';
import { FLAG, FRAME, FRAME_HEADER_BYTES } from '../../../http2/frames/constants.ts';
import { isHost } from '../reference/http1.ts';
import { type ReferenceField, ReferenceHpack } from '../reference/hpack.ts';

export interface Difference {
  readonly kind:
    | 'we end the connection'
    | 'nghttp2 ends the connection'
    | 'we refuse'
    | 'nghttp2 refuses'
    | 'another end';
  readonly streamId: number;
  /** Of the stream's first block, and of all later ones, read plainly. */
  readonly fields: readonly ReferenceField[];
  readonly trailers: readonly ReferenceField[];
  /** Behind the preface. */
  readonly frames: readonly FrameSeen[];
  /** Error codes; -1 = none. */
  readonly ours: number;
  /** Streams that ours reset. */
  readonly reset: ReadonlySet<number>;
  readonly theirs: number;
}

export interface FrameSeen {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Without a header block at the end that is not complete, in whose middle Node 20 can not end a session without a crash. */
export function wholeBlocks(frames: readonly FrameSeen[]): FrameSeen[] {
  let open = -1;
  frames.forEach(({ type, flags }, i) => {
    if (type === FRAME.headers && open < 0) open = i;
    if ((type === FRAME.headers || type === FRAME.continuation) && (flags & FLAG.endHeaders) !== 0) open = -1;
  });
  return frames.slice(0, open < 0 ? undefined : open);
}

/** Whole frames; what is behind them is cut. */
export function wholeFrames(bytes: Buffer): FrameSeen[] {
  const frames: FrameSeen[] = [];
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length;) {
    const start = at + FRAME_HEADER_BYTES;
    const end = start + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    frames.push({ type: bytes[at + 3] ?? 0, flags: bytes[at + 4] ?? 0, streamId, payload: bytes.subarray(start, end) });
    at = end;
  }
  return frames;
}

/** Fields of the blocks of each stream, as far as they can be read. */
export function blocksByStream(frames: readonly FrameSeen[]): Map<number, ReferenceField[][]> {
  const hpack = new ReferenceHpack(4096);
  const blocks = new Map<number, ReferenceField[][]>();
  let parts: Buffer[] = [];
  for (const { type, flags, streamId, payload } of frames) {
    if (type !== FRAME.headers && type !== FRAME.continuation) continue;
    let start = 0;
    let end = payload.length;
    if (type === FRAME.headers) {
      parts = [];
      if ((flags & FLAG.padded) !== 0) {
        end -= payload[0] ?? 0;
        start += 1;
      }
      if ((flags & FLAG.priority) !== 0) start += 5;
    }
    parts.push(payload.subarray(start, Math.max(start, end)));
    if ((flags & FLAG.endHeaders) === 0) continue;
    const block = Buffer.concat(parts);
    const decoded = hpack.decode(block, 0, block.length);
    if (typeof decoded === 'string') break;
    const known = blocks.get(streamId);
    if (known === undefined) blocks.set(streamId, [decoded]);
    else known.push(decoded);
  }
  return blocks;
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

const valuesOf = (fields: readonly ReferenceField[], name: string): string[] =>
  fields.filter((field) => field.name === name).map(({ value }) => value);

const isForbidden = ({ name, value }: ReferenceField): boolean =>
  !name.startsWith(':') && (!NAME.test(name) || !VALUE.test(value));

/** HEADERS or DATA on a stream behind its end, or once ours has reset it. */
function goesOnBehindTheEnd(frames: readonly FrameSeen[], reset: ReadonlySet<number>): boolean {
  const ended = new Set<number>();
  const opened = new Set<number>();
  for (const { type, flags, streamId } of frames) {
    if (type !== FRAME.headers && type !== FRAME.data) continue;
    if (ended.has(streamId) || (reset.has(streamId) && opened.has(streamId))) return true;
    opened.add(streamId);
    if ((flags & FLAG.endStream) !== 0) ended.add(streamId);
  }
  return false;
}

/** HEADERS with a number below one that came before, or that of a stream which the client cut. */
function goesBack(frames: readonly FrameSeen[]): boolean {
  let highest = 0;
  const cut = new Set<number>();
  for (const { type, streamId } of frames) {
    if (type === FRAME.rstStream) cut.add(streamId);
    if (type !== FRAME.headers) continue;
    if (streamId < highest || cut.has(streamId)) return true;
    highest = streamId;
  }
  return false;
}

const MOST_SETTINGS_THERE = 32;
const isLongSettings = ({ type, payload }: FrameSeen): boolean =>
  type === FRAME.settings && payload.length > MOST_SETTINGS_THERE * 6;

const isPaddedTooMuch = ({ type, flags, payload }: FrameSeen): boolean =>
  type === FRAME.data && (flags & FLAG.padded) !== 0 && (payload[0] ?? 0) >= payload.length;

const LINE_PARTS: ReadonlyMap<string, RegExp> = new Map([
  [':path', /^(?:\/[\x21\x22\x24-\x7e]*|\*)$/],
  [':method', /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/],
  [':scheme', /^[A-Za-z][A-Za-z0-9+.-]*$/],
]);
const isNoPartOfALine = ({ name, value }: ReferenceField): boolean => LINE_PARTS.get(name)?.test(value) === false;

const isOddUpdate = ({ type, streamId, payload }: FrameSeen): boolean => {
  if (type !== FRAME.windowUpdate || streamId === 0 || payload.length !== 4) return false;
  const increment = payload.readUInt32BE(0) & 0x7fff_ffff;
  return increment === 0 || increment > 0x7fff_0000;
};

const isOddPriority = ({ type, streamId, payload }: FrameSeen): boolean =>
  type === FRAME.priority &&
  (streamId === 0 || (payload.length >= 4 && (payload.readUInt32BE(0) & 0x7fff_ffff) === streamId));

function dependsOnItself({ type, flags, streamId, payload }: FrameSeen): boolean {
  const at = (flags & FLAG.padded) === 0 ? 0 : 1;
  if (type !== FRAME.headers || (flags & FLAG.priority) === 0 || payload.length < at + 4) return false;
  return (payload.readUInt32BE(at) & 0x7fff_ffff) === streamId;
}

const NO_RFC7540_PRIORITIES = 9;

function setsOddPriorities({ type, payload }: FrameSeen): boolean {
  if (type !== FRAME.settings) return false;
  for (let at = 0; at + 6 <= payload.length; at += 6)
    if (payload.readUInt16BE(at) === NO_RFC7540_PRIORITIES && payload.readUInt32BE(at + 2) > 1) return true;
  return false;
}

function setsTwice({ type, payload }: FrameSeen): boolean {
  if (type !== FRAME.settings) return false;
  const seen = new Set<number>();
  for (let at = 0; at + 6 <= payload.length; at += 6) seen.add(payload.readUInt16BE(at));
  return seen.size * 6 < payload.length;
}

export const RULES: readonly Rule<Difference>[] = [
  {
    name: 'we refuse a request with a field that can be in no message',
    reason: 'RFC 9113 §8.2.1: malformed; nghttp2 drops such a field and serves the rest',
    holds: ({ kind, fields, trailers }) =>
      kind === 'we refuse' && (fields.some(isForbidden) || trailers.some(isForbidden)),
  },
  {
    name: 'we refuse an authority that is not host[:port]',
    reason: 'RFC 9113 §8.3.1, hardening b14: HTTP/1.1 is made of it; nghttp2 looks at its octets only',
    holds: ({ kind, fields }) =>
      kind === 'we refuse' && !isHost(valuesOf(fields, ':authority')[0] ?? valuesOf(fields, 'host')[0] ?? ''),
  },
  {
    name: 'we refuse a path, method or scheme that no line of HTTP/1.1 can have',
    reason: 'RFC 9113 §8.3.1, RFC 9112 §3, hardening b14: octets outside VCHAR, a fragment',
    holds: ({ kind, fields }) => kind === 'we refuse' && fields.some(isNoPartOfALine),
  },
  {
    name: 'we refuse a host that differs from :authority, or comes twice',
    reason: 'RFC 9113 §8.3.1, hardening b15: one would be told to policy and another to the application',
    holds: ({ kind, fields }) =>
      kind === 'we refuse' &&
      valuesOf(fields, 'host').some(
        (host, i) => i > 0 || host.toLowerCase() !== (valuesOf(fields, ':authority')[0] ?? host).toLowerCase(),
      ),
  },
  {
    name: 'we refuse a CONNECT with content, or without a port',
    reason: 'RFC 9110 §9.3.6: as HTTP/1.1 its bytes would be content to one reader and the tunnel to another',
    holds: ({ kind, fields }) =>
      kind === 'we refuse' &&
      valuesOf(fields, ':method')[0] === 'CONNECT' &&
      (Number(valuesOf(fields, 'content-length')[0] ?? 0) > 0 ||
        !/:\d+$/.test(valuesOf(fields, ':authority')[0] ?? '')),
  },
  {
    name: 'we end the connection for HEADERS with a number that was passed or used up',
    reason: 'RFC 9113 §5.1.1: a connection error; nghttp2 ignores such a block',
    holds: ({ kind, ours, frames }) =>
      kind === 'we end the connection' && (ours === 1 || ours === 5) && goesBack(frames),
  },
  {
    name: 'nghttp2 ends the connection for frames behind the end of a stream',
    reason:
      'RFC 9113 §5.1: a stream error while it is half closed; of a stream that we reset they are on their way still',
    holds: ({ kind, frames, reset }) => kind === 'nghttp2 ends the connection' && goesOnBehindTheEnd(frames, reset),
  },
  {
    name: 'nghttp2 ends the connection for PRIORITY of a wrong size',
    reason: 'RFC 9113 §6.3: a stream error',
    holds: ({ kind, theirs, frames }) =>
      kind === 'nghttp2 ends the connection' &&
      theirs === 6 &&
      frames.some(({ type, payload }) => type === FRAME.priority && payload.length !== 5),
  },
  {
    name: 'nghttp2 ends the connection for WINDOW_UPDATE of nothing, or of too much, on a stream',
    reason: 'RFC 9113 §6.9, §6.9.1: a stream error',
    holds: ({ kind, frames }) => kind === 'nghttp2 ends the connection' && frames.some(isOddUpdate),
  },
  {
    name: 'nghttp2 reads on behind a GOAWAY of the client',
    reason: 'RFC 9113 §6.8: no request follows, so once all are answered we read nothing more',
    holds: ({ kind, frames }) =>
      kind === 'nghttp2 ends the connection' &&
      frames.some(({ type, streamId }) => type === FRAME.goaway && streamId === 0),
  },
  {
    name: 'nghttp2 wants SETTINGS_NO_RFC7540_PRIORITIES to be 0 or 1',
    reason: 'RFC 9218 §2.1.1: we do not know that setting, and ignore it',
    holds: ({ kind, frames }) => kind === 'nghttp2 ends the connection' && frames.some(setsOddPriorities),
  },
  {
    name: 'nghttp2 ends the connection for a second acknowledgement of SETTINGS',
    reason: 'RFC 9113 §6.5 does not say so; ours counts them, up to a limit',
    holds: ({ kind, frames }) =>
      kind === 'nghttp2 ends the connection' &&
      frames.filter(({ type, flags }) => type === FRAME.settings && (flags & FLAG.ack) !== 0).length > 1,
  },
  {
    name: 'we end the connection for a setting that can not be, although the same frame sets it again',
    reason: 'RFC 9113 §6.5.3: in the order in which they come; nghttp2 looks at the last one only',
    holds: ({ kind, frames }) => kind === 'we end the connection' && frames.some(setsTwice),
  },
  {
    name: 'we end the connection for PRIORITY on stream 0, or of an idle stream on itself',
    reason: 'RFC 7540 §5.3.1, which h2spec asks for; RFC 9113 leaves it open, and nghttp2 looks no longer',
    holds: ({ kind, ours, frames }) => kind === 'we end the connection' && ours === 1 && frames.some(isOddPriority),
  },
  {
    name: 'nghttp2 ends the connection for HEADERS that depend on their own stream',
    reason: 'RFC 7540 §5.3.1: a stream error',
    holds: ({ kind, frames }) => kind === 'nghttp2 ends the connection' && frames.some(dependsOnItself),
  },
  {
    name: 'Node ends the connection for an answer to a PING that nobody sent',
    reason: 'RFC 9113 §6.7 does not say so; ours counts them, up to a limit',
    holds: ({ kind, frames }) =>
      kind === 'nghttp2 ends the connection' &&
      frames.some(({ type, flags }) => type === FRAME.ping && (flags & FLAG.ack) !== 0),
  },
  {
    name: 'nghttp2 takes 32 settings in a frame, we take 64',
    reason: 'a limit of each, against floods',
    holds: ({ kind, theirs, frames }) =>
      kind === 'nghttp2 ends the connection' && theirs === 11 && frames.some(isLongSettings),
  },
  {
    name: 'we end the connection for DATA of padding only, on a stream that is closed',
    reason: 'RFC 9113 §6.1: a connection error; nghttp2 does not look into frames of closed streams',
    holds: ({ kind, frames }) => kind === 'we end the connection' && frames.some(isPaddedTooMuch),
  },
  {
    name: 'an extended CONNECT has another end',
    reason: 'to who stands above ours it is a GET for an upgrade, whose bytes wait for the answer',
    holds: ({ kind, fields }) => kind === 'another end' && valuesOf(fields, ':protocol').length > 0,
  },
  {
    name: 'a request that the client cut has another end',
    reason: 'ours hands each frame on as it comes, Node at the end of its turn',
    holds: ({ kind, frames, streamId }) =>
      kind === 'another end' && frames.some((one) => one.type === FRAME.rstStream && one.streamId === streamId),
  },
];
