// The same bytes to Node's client and to ours, as http1-request-node.ts for requests.
import { Disagreements, type Rule } from '../disagreements.ts';
import { Finding, type FuzzTarget, mustEqual } from '../fuzz-target.ts';
import { randomOf } from '../pieces.ts';
import { DEFAULT_HEAD_LIMITS } from '../../../http1/head-parser.ts';
import { endToEnd, readMessage, ReferenceReader, showLines } from '../reference/http1.ts';
import { NodeExchange, type NodeReading } from '../reference/node-http.ts';
import { type Answer, type Asked, ClientHarness } from './http1-answer.ts';
import { HTTP1_TOKENS } from './http1-tokens.ts';

const MAX_BYTES = 2048;
// Of a CONNECT Node's client takes whatever comes for the tunnel, informational answers too.
const ASKED: readonly Asked[] = ['GET', 'GET', 'GET', 'HEAD', 'upgrade'];

interface Difference {
  readonly kind: 'we refuse' | 'Node refuses' | 'we break it off' | 'Node breaks it off' | 'another end' | 'before';
  readonly asked: Asked;
  /** Informational answers. */
  readonly before: string;
  /** The answer and what follows it. */
  readonly text: string;
  /** Up to the empty line. */
  readonly head: string;
  readonly ours: string;
  readonly theirs: string;
  /** Status that Node took. */
  readonly status: number;
}

const STATUS_LINE = /^HTTP\/1\.[01] [1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?(?:\r\n|$)/;

const lineOf = (head: string, name: string): string[] =>
  [...head.matchAll(new RegExp(`\\r\\n${name}:[ \\t]*(.*?)[ \\t]*(?=\\r|$)`, 'gi'))].map(([, value = '']) => value);
const codingOf = (head: string): string => lineOf(head, 'transfer-encoding').join().toLowerCase();

const RULES: readonly Rule<Difference>[] = [
  {
    name: 'we refuse a first line that is not HTTP/1.x SP status SP phrase',
    reason: 'RFC 9112 §4: other versions, no blank, control octets in the phrase, blank lines in front',
    holds: ({ kind, head }) => kind === 'we refuse' && !STATUS_LINE.test(head),
  },
  {
    name: 'we refuse a 101 that nobody asked for',
    reason: 'RFC 9110 §7.8, CVE-2026-73548: whatever follows would be bytes of a protocol that nobody speaks',
    holds: ({ kind, asked, head }) => kind === 'we refuse' && asked !== 'upgrade' && /^HTTP\/1\.[01] 101/.test(head),
  },
  {
    name: 'we refuse a transfer coding other than one chunked',
    reason: 'RFC 9112 §6.3 would read until the connection ends, and another reader would not: 502',
    holds: ({ kind, head }) =>
      kind === 'we refuse' && lineOf(head, 'transfer-encoding').length > 0 && codingOf(head) !== 'chunked',
  },
  {
    name: 'we refuse framing that is ambiguous',
    reason: 'hardening: codings in HTTP/1.0, both a length and codings, lengths above 2^53-1: 502',
    holds: ({ kind, head }) =>
      kind === 'we refuse' &&
      ((codingOf(head) !== '' && (head.startsWith('HTTP/1.0') || lineOf(head, 'content-length').length > 0)) ||
        Number(lineOf(head, 'content-length')[0]) > Number.MAX_SAFE_INTEGER),
  },
  {
    name: 'Node closes behind an informational answer of HTTP/1.0, or one that says close',
    reason: 'RFC 9110 §15.2: such answers end nothing; the final one follows',
    holds: ({ kind, theirs, before }) =>
      kind === 'Node refuses' &&
      theirs === 'HPE_CLOSED_CONNECTION' &&
      (/HTTP\/1\.0 1/.test(before) || /close/i.test(lineOf(before, 'connection').join())),
  },
  {
    name: 'Node refuses a length with a TAB behind it',
    reason: 'RFC 9110 §5.5: blanks around a value are no part of it',
    holds: ({ kind, head }) => kind === 'Node refuses' && /\r\ncontent-length:[ \t]*\d+[ \t]*\t/i.test(head),
  },
  {
    name: 'Node wants chunk extensions to be name=value',
    reason: 'RFC 9112 §7.1.1: we drop them all, unread but for control octets',
    holds: ({ kind, text }) => kind === 'Node breaks it off' && /\r\n[0-9a-f]+;[^\r\n]*\r\n/i.test(text),
  },
  {
    name: 'Node takes `chunked` with a TAB behind it for another coding',
    reason: 'RFC 9110 §5.5: blanks around a value are no part of it; what goes on has none',
    holds: ({ kind, head }) =>
      (kind === 'another end' || kind === 'we break it off') &&
      /\r\ntransfer-encoding:[ \t]*chunked[ \t]*\t[ \t]*(?:\r|$)/i.test(head),
  },
];

interface Pending {
  readonly input: Buffer;
  readonly asked: Asked;
  readonly ours: Answer;
  readonly node: NodeExchange;
}

export function http1ResponseNode(): FuzzTarget {
  const harness = new ClientHarness(DEFAULT_HEAD_LIMITS);
  const reader = new ReferenceReader('response');
  const known = new Disagreements(RULES, (difference) => JSON.stringify(difference));
  let pending: Pending[] = [];
  const compare = ({ input, asked, ours, node }: Pending): void => {
    const theirs = node.read(input);
    try {
      compareAnswers(ours, theirs, node.before, input.toString('latin1'), asked, reader, known);
    } catch (error) {
      throw new Finding(input, error);
    }
  };
  return {
    name: 'http1-response-node',
    maxBytes: MAX_BYTES,
    dictionary: HTTP1_TOKENS,
    run(given) {
      const input = Buffer.from(given);
      const asked = randomOf(input).pick(ASKED) ?? 'GET';
      const ours = harness.ask(asked, false, () => harness.feed(input, 0, input.length));
      const headers = asked === 'upgrade' ? { upgrade: 'websocket', connection: 'upgrade' } : {};
      const node = new NodeExchange(asked === 'upgrade' ? 'GET' : asked, headers);
      pending.push({ input, asked, ours, node });
      return `${asked} ${ours.status} ${ours.end} ${Math.min(2, ours.body.length)}`;
    },
    async settle() {
      // Node's client gets its connection a turn after it asked for it.
      await new Promise((resolve) => setImmediate(resolve));
      const all = pending;
      pending = [];
      for (const one of all) compare(one);
    },
    summary: () => known.summary(),
  };
}

function compareAnswers(
  ours: Answer,
  theirs: NodeReading,
  before: string,
  text: string,
  asked: Asked,
  reader: ReferenceReader,
  known: Disagreements<Difference>,
): void {
  const [their] = theirs.messages;
  // Behind informational answers.
  let at = 0;
  let message = readMessage(text, 0, 'response', DEFAULT_HEAD_LIMITS, asked);
  while (typeof message !== 'string' && message.status < 200 && message.status !== 101) {
    at = message.end;
    message = readMessage(text, at, 'response', DEFAULT_HEAD_LIMITS, asked);
  }
  const close = text.indexOf('\r\n\r\n', at);
  const explain = (kind: Difference['kind']): void => {
    const head = text.slice(at, close < 0 ? undefined : close);
    known.explain({
      kind,
      asked,
      before: text.slice(0, at),
      text: text.slice(at),
      head,
      ours: ours.end,
      theirs: theirs.error,
      status: their?.status ?? 0,
    });
  };
  if (ours.status === 0) {
    if (their !== undefined) explain('we refuse');
    return;
  }
  if (their === undefined) return explain('Node refuses');
  if (before !== ours.before) explain('before');
  const sent = reader.read(ours.forwarded, asked);
  if (typeof sent === 'string') throw new Error('what goes on is not an answer');
  mustEqual(String(their.status), String(ours.status), 'status');
  mustEqual(showLines(endToEnd(their.lines, false)), showLines(endToEnd(sent.lines, false)), 'lines');
  const complete = ours.end === 'complete';
  if (ours.status === 101) return;
  if (complete !== their.complete)
    return explain(
      complete ? 'Node breaks it off' : ours.end === 'upstream-protocol-error' ? 'we break it off' : 'another end',
    );
  if (complete && their.body !== ours.body) explain('another end');
}
