// What every message and every written frame of HTTP/2 must be, said without the codec's own rules.
import { FLAG, FRAME } from '../../../http2/frames/constants.ts';
import { must, mustEqual } from '../fuzz-target.ts';
import { readFrames } from '../targets/frames.ts';
import { ReferenceHpack } from './hpack.ts';
import { isHost, type Line, readMessage, showLines, valuesOf } from './http1.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;
const PATH = /^(?:\/[\x21\x22\x24-\x7e]*|\*)$/;
const THIS_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'http2-settings',
]);
const NO_LIMITS = { maxBytes: 1e9, maxFields: 1e9 };

export interface TakenHead {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly lines: readonly Line[];
  /** As HTTP/1.1. */
  readonly text: string;
}

/** @param carried whether it is one of HTTP/1.1 (carried.ts). */
export function checkLines(lines: readonly Line[], carried: boolean): void {
  for (const [name, value] of lines) {
    must(TOKEN.test(name) && (carried || name === name.toLowerCase()), `a name that is none: ${JSON.stringify(name)}`);
    must(VALUE.test(value), `a value that is none: ${JSON.stringify(value)}`);
    const lower = name.toLowerCase();
    must(!THIS_CONNECTION.has(lower), `${name} in HTTP/2`);
    must(lower !== 'te' || carried || value.toLowerCase() === 'trailers', `te: ${value}`);
  }
}

export function checkRequest({ method, path, authority, lines, text }: TakenHead, carried: boolean): void {
  checkLines(lines, carried);
  must(TOKEN.test(method), `method ${method}`);
  const connect = method === 'CONNECT';
  must(connect ? path === '' : PATH.test(path), `path ${JSON.stringify(path)}`);
  must(!connect || /:\d+$/.test(authority), 'CONNECT without a port');
  must(!connect || Number(valuesOf(lines, 'content-length')[0] ?? 0) === 0, 'CONNECT with content');
  must(isHost(authority), `authority ${JSON.stringify(authority)}`);
  must(valuesOf(lines, 'content-length').length <= 1, 'two lengths');
  const sent = readMessage(text, 0, 'request', NO_LIMITS);
  must(typeof sent !== 'string', `what goes on is not a request: ${JSON.stringify(text)}`);
  mustEqual(
    `${sent.method} ${sent.target} ${valuesOf(sent.lines, 'host').join()}`,
    `${method} ${connect ? authority : path} ${authority}`,
    'first line',
  );
  const framing = new Set(['transfer-encoding', 'connection', 'content-length', 'host']);
  const rest = (all: readonly Line[]): string => showLines(all.filter(([name]) => !framing.has(name.toLowerCase())));
  mustEqual(rest(sent.lines), rest(lines), 'lines that go on');
}

const MAX_REMEMBERED = 8192;

/** Checks each head once. */
export class HeadChecks {
  readonly #known = new Set<string>();

  request(head: TakenHead, carried: boolean): void {
    if (this.#isKnown(`${carried}${head.authority}\n${head.text}`)) return;
    checkRequest(head, carried);
  }

  /** @param shown the lines as text. */
  lines(lines: readonly Line[], shown: string, carried: boolean): void {
    if (!this.#isKnown(`${carried}${shown}`)) checkLines(lines, carried);
  }

  #isKnown(key: string): boolean {
    if (this.#known.has(key)) return true;
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.add(key);
    return false;
  }
}

const readBlock = (hpack: ReferenceHpack, block: Buffer): ReturnType<ReferenceHpack['decode']> =>
  hpack.decode(block, 0, block.length);

interface StreamSeen {
  heads: number;
  ended: boolean;
}

/** @param written all that one side of a connection sent, behind a preface. */
export function checkWritten(written: Buffer, side: 'server' | 'client'): void {
  const hpack = new ReferenceHpack(4096);
  const streams = new Map<number, StreamSeen>();
  let open = 0;
  let block: Buffer[] = [];
  for (const { type, flags, streamId, payload } of readFrames(written)) {
    must(open === 0 || (type === FRAME.continuation && streamId === open), 'a header block was interrupted');
    if (type !== FRAME.headers && type !== FRAME.continuation && type !== FRAME.data) {
      if (type === FRAME.rstStream) streams.set(streamId, { heads: 0, ended: true });
      continue;
    }
    const stream = streams.get(streamId) ?? { heads: 0, ended: false };
    streams.set(streamId, stream);
    must(!stream.ended || type === FRAME.continuation, `a frame behind the end of stream ${streamId}`);
    if ((flags & FLAG.endStream) !== 0 && type !== FRAME.continuation) stream.ended = true;
    if (type === FRAME.data) {
      must(stream.heads > 0, 'data in front of the head');
      continue;
    }
    block.push(payload);
    open = (flags & FLAG.endHeaders) === 0 ? streamId : 0;
    if (open !== 0) continue;
    const fields = readBlock(hpack, Buffer.concat(block));
    block = [];
    must(typeof fields !== 'string', 'a header block that can not be decoded');
    const pseudo = fields.filter(({ name }) => name.startsWith(':')).length;
    const wanted = side === 'server' ? ':status' : ':method';
    must(
      stream.heads > 0 ? pseudo === 0 || fields[0]?.name === ':status' : fields[0]?.name === wanted,
      'pseudo-headers',
    );
    stream.heads += 1;
  }
}
