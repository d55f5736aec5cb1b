// The same bytes to Node's parser and to ours: both take the same messages, but for what a rule below explains.
import { Disagreements, type Rule } from '../disagreements.ts';
import { type FuzzTarget, mustEqual } from '../fuzz-target.ts';
import { Pieces } from '../pieces.ts';
import { DEFAULT_HEAD_LIMITS } from '../../../http1/head-parser.ts';
import { METHODS } from 'node:http';
import { endToEnd, isHost, keepsAlive, readMessage, ReferenceReader, showLines } from '../reference/http1.ts';
import { type NodeMessage, NodeServer } from '../reference/node-http.ts';
import { ANSWERS, type Received, ServerHarness } from './http1-conversation.ts';
import { HTTP1_TOKENS } from './http1-tokens.ts';

const MAX_BYTES = 2048;

interface Difference {
  readonly kind: 'we refuse' | 'Node refuses' | 'we wait' | 'Node waits' | 'we break it off' | 'Node breaks it off';
  /** The message and what follows it. */
  readonly text: string;
  /** Up to the empty line. */
  readonly head: string;
  /** The message before. */
  readonly before: string;
  readonly ours: string;
  readonly theirs: string;
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21\x22\x24-\x7e]+) HTTP\/1\.([01])(?:\r\n|$)/;
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/;

const lineOf = (head: string, name: string): string[] =>
  [...head.matchAll(new RegExp(`\\r\\n${name}:[ \\t]*(.*?)[ \\t]*(?=\\r|$)`, 'gi'))].map(([, value = '']) => value);
const targetOf = (head: string): string => REQUEST_LINE.exec(head)?.[2] ?? '';

const hostIsWrong = (head: string): boolean => {
  const hosts = lineOf(head, 'host');
  return hosts.length !== 1 || !isHost(hosts[0] ?? '');
};

/** Both lengths and codings, codings in HTTP/1.0, or a length that is no safe integer. */
const framingIsWrong = (head: string): boolean => {
  const codings = lineOf(head, 'transfer-encoding');
  const lengths = lineOf(head, 'content-length');
  if (codings.length > 0) return lengths.length > 0 || REQUEST_LINE.exec(head)?.[3] === '0';
  return lengths.length > 1 || Number(lengths[0]) > Number.MAX_SAFE_INTEGER;
};

const TRAILERS_OF_FRAMING = /\r\n0*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*(?:content-length|transfer-encoding):/i;

const RULES: readonly Rule<Difference>[] = [
  {
    name: 'we refuse a first line that is not method SP target SP HTTP/1.x',
    reason:
      'RFC 9112 §3: several blanks, another version or none, a fragment, octets outside VCHAR, a third blank line',
    holds: ({ kind, head, text }) =>
      (kind === 'we refuse' && !REQUEST_LINE.test(head)) || (kind === 'Node waits' && text.startsWith('\r')),
  },
  {
    name: 'we refuse a Host that is missing, repeated or not host[:port]',
    reason:
      'RFC 9112 §3.2: must be 400; Node looks above its parser, for a missing one only. `%` and `,` see docs/fuzzing.md',
    holds: ({ kind, ours, head }) => kind === 'we refuse' && ours === 'missing-host' && hostIsWrong(head),
  },
  {
    name: 'we refuse a target of no form, with userinfo or without host',
    reason: 'RFC 9112 §3.2, RFC 9110 §4.2.4: another reader would take another part of it for the authority',
    holds: ({ kind, ours, head }) =>
      kind === 'we refuse' &&
      ours === 'bad-request' &&
      (!targetOf(head).startsWith('/') || METHOD.exec(head)?.[0] === 'CONNECT'),
  },
  {
    name: 'we refuse a transfer coding other than one chunked',
    reason: 'RFC 9112 §6.1: 501; Node hands the head on first and refuses then',
    holds: ({ kind, ours, head }) =>
      kind === 'we refuse' &&
      ours === 'unsupported-transfer-coding' &&
      lineOf(head, 'transfer-encoding').join().toLowerCase() !== 'chunked',
  },
  {
    name: 'we refuse framing that is ambiguous',
    reason: 'hardening: codings in HTTP/1.0, and lengths above 2^53-1, which Node counts in 64 bits',
    holds: ({ kind, ours, head }) => kind === 'we refuse' && ours === 'ambiguous-framing' && framingIsWrong(head),
  },
  {
    name: 'Node refuses a method that it does not know',
    reason: 'RFC 9110 §9.1: any token is one; what it means is between the client and the application',
    holds: ({ kind, theirs, head }) =>
      (kind === 'Node refuses' || kind === 'we wait') &&
      theirs !== '' &&
      !METHODS.includes(METHOD.exec(head)?.[0] ?? ''),
  },
  {
    name: 'Node reads nothing behind an upgrade that nobody took up',
    reason: 'RFC 9110 §7.8: without a 101 the connection goes on as it was',
    holds: ({ kind, before }) =>
      kind === 'Node waits' &&
      lineOf(before, 'upgrade').length > 0 &&
      /upgrade/i.test(lineOf(before, 'connection').join()),
  },
  {
    name: 'Node ends a connection of HTTP/1.0 that was asked to stay',
    reason: 'RFC 9112 §9.3: it may; ours answers on while the client says keep-alive',
    holds: ({ kind, theirs, before }) =>
      kind === 'Node refuses' && theirs === 'HPE_CLOSED_CONNECTION' && REQUEST_LINE.exec(before)?.[3] === '0',
  },
  {
    name: 'Node closes for Connection in trailers',
    reason: 'RFC 9110 §6.5.1: it means nothing there; we drop it where trailers go on',
    holds: ({ kind, theirs, before }) =>
      kind === 'Node refuses' &&
      theirs === 'HPE_CLOSED_CONNECTION' &&
      /close/i.test(lineOf(before, 'connection').join()),
  },
  {
    name: 'Node refuses a length with a TAB behind it',
    reason: 'RFC 9110 §5.5: blanks around a value are no part of it; what goes on has the same line',
    holds: ({ kind, head }) => kind === 'Node refuses' && /\r\ncontent-length:[ \t]*\d+[ \t]*\t/i.test(head),
  },
  {
    name: 'Node wants chunk extensions to be name=value',
    reason: 'RFC 9112 §7.1.1: we drop them all, unread but for control octets',
    holds: ({ kind, text }) => kind === 'Node breaks it off' && /\r\n[0-9a-f]+;[^\r\n]*\r\n/i.test(text),
  },
  {
    name: 'Node takes framing fields in trailers for such',
    reason: 'RFC 9110 §6.5.1: they mean nothing there; we drop them where trailers go on',
    holds: ({ kind, text }) => kind === 'Node breaks it off' && TRAILERS_OF_FRAMING.test(text),
  },
];

export function http1RequestNode(): FuzzTarget {
  const harness = new ServerHarness(DEFAULT_HEAD_LIMITS);
  const pieces = new Pieces(MAX_BYTES, harness.feed);
  const reader = new ReferenceReader('request');
  const node = new NodeServer();
  const known = new Disagreements(RULES, (difference) => JSON.stringify(difference));
  return {
    name: 'http1-request-node',
    maxBytes: MAX_BYTES,
    dictionary: HTTP1_TOKENS,
    run(input) {
      const ours = harness.converse(ANSWERS.atEnd, () => pieces.whole(input), false);
      const theirs = node.read(input);
      const text = input.toString('latin1');
      let at = 0;
      let before = '';
      for (let i = 0; ; i += 1) {
        for (let blanks = 0; blanks < 2 && text.startsWith('\r\n', at); blanks += 1) at += 2;
        const got = ours.exchanges[i];
        const their = theirs.messages[i];
        const close = text.indexOf('\r\n\r\n', at);
        const head = text.slice(at, close < 0 ? undefined : close);
        const difference = (kind: Difference['kind']): string =>
          known.explain({ kind, text: text.slice(at), head, before, ours: ours.refused, theirs: theirs.error });
        if (got === undefined) {
          if (their !== undefined) return difference(ours.refused === '' ? 'we wait' : 'we refuse');
          if (ours.refused !== '' && theirs.error === '' && close >= 0) return difference('Node waits');
          if (ours.refused === '' && theirs.error !== '' && close >= 0) return difference('we wait');
          return `${ours.refused} ${theirs.error} ${i}`;
        }
        if (their === undefined) return difference(theirs.error === '' ? 'Node waits' : 'Node refuses');
        compareHeads(got, their, reader);
        if (got.complete !== their.complete) {
          if (got.complete) return difference(theirs.error === '' ? 'Node waits' : 'Node breaks it off');
          return difference(got.aborted === 'bad-request' ? 'we break it off' : 'we wait');
        }
        if (!got.complete) return `${got.aborted} ${theirs.error} ${i}`;
        mustEqual(their.body, got.body, 'body');
        const message = readMessage(text, at, 'request', DEFAULT_HEAD_LIMITS);
        if (typeof message === 'string' || !keepsAlive(message) || message.method === 'CONNECT') return `last ${i}`;
        mustEqual(showLines(their.trailers), showLines(message.trailers), 'trailers');
        before = text.slice(at, message.end);
        at = message.end;
      }
    },
    summary: () => known.summary(),
    close: () => node.close(),
  };
}

function compareHeads(got: Received, their: NodeMessage, reader: ReferenceReader): void {
  const sent = reader.read(got.forwarded);
  if (typeof sent === 'string') throw new Error('what goes on is not a request');
  mustEqual(their.method, sent.method, 'method');
  // Of an absolute target the path goes on (RFC 9112 §3.2.2).
  if (/^[/*]/.test(their.target)) mustEqual(their.target, sent.target, 'target');
  mustEqual(showLines(endToEnd(their.lines, true)), showLines(endToEnd(sent.lines, true)), 'lines');
}
