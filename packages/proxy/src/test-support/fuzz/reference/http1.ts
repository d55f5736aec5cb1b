// HTTP/1 messages as RFC 9112 and the mesh's own rules have them, read in the plainest way from complete text. It shares
// nothing with the codec, which must agree with it.

export type Line = readonly [name: string, value: string];

export interface ReferenceMessage {
  /** Method and target, or status. */
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly minor: number;
  readonly lines: readonly Line[];
  readonly framing: 'none' | 'length' | 'chunked' | 'until-close';
  readonly body: string;
  readonly trailers: readonly Line[];
  /** `cut`: the text ends before it does. `broken`: what frames its body is not valid. */
  readonly state: 'complete' | 'cut' | 'broken';
  readonly end: number;
}

/** `partial`: there is no whole head to judge. */
export type Reading = ReferenceMessage | 'partial' | 'refused';

export interface ReferenceLimits {
  readonly maxBytes: number;
  readonly maxFields: number;
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21\x22\x24-\x7e]+) HTTP\/1\.([01])$/;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*$/;
const HOST = /^(?:\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?|[A-Za-z0-9\-._~!$&'()*+;=]+(?::[0-9]{0,5})?)$/;
const ABSOLUTE = /^https?:\/\/([^/?]+)((?:\/[^?]*)?)((?:\?.*)?)$/i;
const CHUNK = /^([0-9A-Fa-f]{1,13})(;[\t\x20-\x7e\x80-\xff]*)?$/;
const MAX_EXTENSION_BYTES = 16 * 1024;

export const isHost = (text: string): boolean => HOST.test(text);

export function valuesOf(lines: readonly Line[], name: string): string[] {
  return lines.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value);
}

/** @param asked of a response: the method of its request. */
export function readMessage(
  text: string,
  from: number,
  kind: 'request' | 'response',
  limits: ReferenceLimits,
  asked = 'GET',
): Reading {
  let start = from;
  if (kind === 'request') for (let i = 0; i < 2 && text.startsWith('\r\n', start); i += 1) start += 2;
  const close = text.indexOf('\r\n\r\n', start);
  if (close < 0) return 'partial';
  const rows = text.slice(start, close).split('\r\n');
  const first = (kind === 'request' ? REQUEST_LINE : STATUS_LINE).exec(rows[0] ?? '');
  if (first === null || rows.length - 1 > limits.maxFields || close + 4 - start > limits.maxBytes) return 'refused';
  const lines = readLines(rows.slice(1));
  if (lines === undefined) return 'refused';
  const isRequest = kind === 'request';
  const head: Head = {
    method: isRequest ? (first[1] ?? '') : '',
    target: isRequest ? (first[2] ?? '') : '',
    status: isRequest ? 0 : Number(first[2]),
    minor: Number(isRequest ? first[3] : first[1]),
    lines,
  };
  const framing = framingOf(head, asked);
  if (framing === undefined) return 'refused';
  return readBody(text, close + 4, head, framing, limits);
}

const MAX_REMEMBERED = 4096;

/** Reads what goes on, which is often the same. */
export class ReferenceReader {
  readonly #kind: 'request' | 'response';
  readonly #known = new Map<string, Reading>();

  constructor(kind: 'request' | 'response') {
    this.#kind = kind;
  }

  read(text: string, asked = 'GET'): Reading {
    const key = asked + text;
    let reading = this.#known.get(key);
    if (reading !== undefined) return reading;
    reading = readMessage(text, 0, this.#kind, NO_LIMITS, asked);
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(key, reading);
    return reading;
  }
}
const NO_LIMITS: ReferenceLimits = { maxBytes: 1e9, maxFields: 1e9 };

function readLines(rows: readonly string[]): Line[] | undefined {
  const lines: Line[] = [];
  for (const row of rows) {
    const match = FIELD_LINE.exec(row);
    if (match === null) return undefined;
    lines.push([match[1] ?? '', match[2] ?? '']);
  }
  return lines;
}

type Head = Pick<ReferenceMessage, 'method' | 'target' | 'status' | 'minor' | 'lines'>;

/** @returns body bytes, or what else ends the body; undefined where it can not be told. */
function framingOf(head: Head, asked: string): number | 'chunked' | 'until-close' | undefined {
  const codings = valuesOf(head.lines, 'transfer-encoding');
  const lengths = valuesOf(head.lines, 'content-length');
  const isRequest = head.status === 0;
  // An upgrade has no body, and nothing in it may say otherwise to whoever reads on.
  if (head.status === 101) return 0;
  if (codings.length > 0 && (lengths.length > 0 || head.minor === 0 || codings.length > 1)) return undefined;
  if (codings.length > 0 && codings[0]?.toLowerCase() !== 'chunked') return undefined;
  const [length] = lengths;
  if (lengths.length > 1 || (length !== undefined && !/^[0-9]{1,16}$/.test(length))) return undefined;
  if (length !== undefined && BigInt(length) > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  if (!isRequest) {
    if (asked === 'CONNECT' && head.status >= 200 && head.status < 300) return 'until-close';
    if (asked === 'HEAD' || head.status < 200 || head.status === 204 || head.status === 304) return 0;
  }
  if (codings.length > 0) return 'chunked';
  if (length !== undefined) return Number(length);
  return isRequest ? 0 : 'until-close';
}

function readBody(
  text: string,
  from: number,
  head: Head,
  framing: number | 'chunked' | 'until-close',
  limits: ReferenceLimits,
): ReferenceMessage {
  if (framing === 'chunked') return readChunks(text, from, head, limits);
  const end = framing === 'until-close' ? text.length : Math.min(text.length, from + framing);
  const whole = framing !== 'until-close' && end - from === framing;
  const kind = framing === 'until-close' ? framing : framing === 0 ? 'none' : 'length';
  return message(head, kind, text.slice(from, end), [], whole ? 'complete' : 'cut', end);
}

const message = (
  { method, target, status, minor, lines }: Head,
  framing: ReferenceMessage['framing'],
  body: string,
  trailers: readonly Line[],
  state: ReferenceMessage['state'],
  end: number,
): ReferenceMessage => ({ method, target, status, minor, lines, framing, body, trailers, state, end });

function readChunks(text: string, from: number, head: Head, limits: ReferenceLimits): ReferenceMessage {
  let body = '';
  let extensions = 0;
  let at = from;
  const stop = (state: ReferenceMessage['state'], trailers: readonly Line[] = []): ReferenceMessage =>
    message(head, 'chunked', body, trailers, state, at);
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return stop('cut');
    const [, size, extension = ''] = CHUNK.exec(text.slice(at, lineEnd)) ?? [];
    extensions += extension.length;
    if (size === undefined || extensions > Math.min(MAX_EXTENSION_BYTES, limits.maxBytes)) return stop('broken');
    const length = Number.parseInt(size, 16);
    at = lineEnd + 2;
    if (length === 0) break;
    body += text.slice(at, at + length);
    at += length;
    if (text.length < at + 2) return stop('cut');
    if (text.slice(at, at + 2) !== '\r\n') return stop('broken');
    at += 2;
  }
  // The empty line, or trailers up to one; both are found two bytes early.
  const close = text.indexOf('\r\n\r\n', at - 2);
  if (close < 0) return stop('cut');
  const rows = close < at ? [] : text.slice(at, close).split('\r\n');
  const tooLarge = rows.length > limits.maxFields || (rows.length > 0 && close + 4 - at > limits.maxBytes);
  at = close + 4;
  const trailers = tooLarge ? undefined : readLines(rows);
  return trailers === undefined ? stop('broken') : stop('complete', trailers);
}

/** What a proxy hands on of a request: where it goes and its lines, without those of this hop. */
export interface ForwardedHead {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly lines: readonly Line[];
}

const THIS_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'http2-settings', 'te', 'upgrade']); // prettier-ignore
const PROTECTED =
  /^(?:host|content-length|authorization|cookie|date|server|expect|x-request-id|x-forwarded-.*|x-envoy-.*|x-weft-.*)$/;

/** @param defaultHost of HTTP/1.0 requests without one; empty = none. @returns undefined when its target or Host can not be. */
export function forwardedRequest(message: ReferenceMessage, defaultHost: string): ForwardedHead | undefined {
  const { method, target, lines, minor } = message;
  const hosts = valuesOf(lines, 'host');
  let authority = hosts[0] ?? '';
  if (hosts.length === 0 && minor === 0 && defaultHost !== '') authority = defaultHost;
  else if (hosts.length !== 1 || !isHost(authority)) return undefined;
  let path = target;
  if (method === 'CONNECT') {
    const able = message.framing === 'none' && isHost(target) && /:[0-9]+$/.test(target);
    return able ? { method, target, authority: target, lines: endToEnd(lines, true) } : undefined;
  }
  if (target === '*') {
    if (method !== 'OPTIONS') return undefined;
  } else if (!target.startsWith('/')) {
    const parts = ABSOLUTE.exec(target);
    if (parts === null || !isHost(parts[1] ?? '')) return undefined;
    authority = parts[1] ?? '';
    path = `${parts[2] === '' ? '/' : (parts[2] ?? '')}${parts[3] ?? ''}`;
  }
  return { method, target: path, authority, lines: endToEnd(lines, true) };
}

/** Without what concerns this hop, in order; Host too, which is told apart. */
export function endToEnd(lines: readonly Line[], isRequest: boolean): Line[] {
  const options = optionsOf(lines);
  const named = new Set(options.filter((name) => !PROTECTED.test(name)));
  const upgrade = isRequest && options.includes('upgrade');
  return lines.filter(([one]) => {
    const name = one.toLowerCase();
    if (name === 'host') return false;
    return (name === 'upgrade' && upgrade) || (!THIS_HOP.has(name) && !named.has(name));
  });
}

export const optionsOf = (lines: readonly Line[]): string[] =>
  valuesOf(lines, 'connection')
    .join(',')
    .split(',')
    .map((name) => name.trim().toLowerCase());

/** Whether another message may follow this one. */
export function keepsAlive(message: ReferenceMessage): boolean {
  const options = optionsOf(message.lines);
  return message.minor === 1
    ? !options.includes('close')
    : options.includes('keep-alive') && !options.includes('close');
}

export const showLines = (lines: readonly Line[]): string =>
  lines.map(([name, value]) => `${name}: ${value}\n`).join('');
