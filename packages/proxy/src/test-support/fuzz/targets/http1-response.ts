// What an upstream may send to the HTTP/1 codec, as http1-request.ts for requests.
import { type FuzzTarget, must, mustEqual } from '../fuzz-target.ts';
import { Pieces, randomOf } from '../pieces.ts';
import { endToEnd, type Line, readMessage, ReferenceReader, showLines } from '../reference/http1.ts';
import { type Answer, type Asked, ClientHarness } from './http1-answer.ts';
import { HTTP1_TOKENS } from './http1-tokens.ts';

/** Small, so that inputs reach them. */
const LIMITS = { maxBytes: 1500, maxFields: 24 };
const MAX_BYTES = 2048;
const ASKED: readonly Asked[] = ['GET', 'GET', 'GET', 'GET', 'GET', 'HEAD', 'CONNECT', 'upgrade'];

export function http1Response(): FuzzTarget {
  const reader = new ReferenceReader('response');
  const harness = new ClientHarness(LIMITS);
  const pieces = new Pieces(MAX_BYTES, harness.feed);
  return {
    name: 'http1-response',
    maxBytes: MAX_BYTES,
    dictionary: HTTP1_TOKENS,
    run(input) {
      const random = randomOf(input);
      const asked = random.pick(ASKED) ?? 'GET';
      const plain = harness.ask(asked, false, () => pieces.whole(input));
      checkAgainstReference(plain, input.toString('latin1'), asked, reader);
      const behaviour = `${asked} ${plain.before.slice(0, 12)}${plain.status} ${plain.end} ${plain.body === ''}${plain.trailers === ''}`;
      if (random.int(4) > 0) return behaviour;
      const cut = harness.ask(asked, random.int(4) === 0, () => pieces.cut(input, random));
      mustEqual(cut.trace(), plain.trace(), 'what was read depends on the pieces');
      return behaviour;
    },
  };
}

function checkAgainstReference(got: Answer, text: string, asked: Asked, reader: ReferenceReader): void {
  let at = 0;
  let before = '';
  for (;;) {
    const message = readMessage(text, at, 'response', LIMITS, asked);
    if (typeof message === 'string' || (message.status === 101 && asked !== 'upgrade')) {
      mustEqual(got.before, before, 'informational answers');
      must(got.status === 0, 'took an answer that is none');
      must(got.end !== 'complete', 'completed an answer that is none');
      if (message !== 'partial') must(got.end === 'upstream-protocol-error', 'did not refuse an answer that is none');
      return;
    }
    if (message.status < 200 && message.status !== 101) {
      before += `${message.status} `;
      at = message.end;
      continue;
    }
    mustEqual(got.before, before, 'informational answers');
    must(got.status === message.status, `status ${got.status} for ${message.status}: ${got.end}`);
    const sent = reader.read(got.forwarded, asked);
    must(typeof sent !== 'string', `what goes on is not an answer: ${JSON.stringify(got.forwarded)}`);
    const tunnel = message.status === 101 || (asked === 'CONNECT' && message.status < 300);
    const lines = endToEnd(message.lines, false).filter((line) => !tunnel || asked !== 'CONNECT' || !isLength(line));
    mustEqual(showLines(endToEnd(sent.lines, false)), showLines(lines), 'lines');
    const body = message.status === 101 ? text.slice(message.end) : message.body;
    mustEqual(got.body, body, 'body');
    if (tunnel || message.framing === 'until-close' || message.state === 'complete')
      must(got.end === 'complete', `an answer that is whole ended with ${got.end}`);
    else if (message.state === 'broken') must(got.end === 'upstream-protocol-error', 'broken chunks were taken');
    else must(got.end !== 'complete', 'an answer that was cut is complete');
    const trailers =
      message.trailers.length === 0 ? '' : `0\r\n${showLines(message.trailers).replaceAll('\n', '\r\n')}\r\n`;
    mustEqual(got.trailers, trailers, 'trailers');
    return;
  }
}

const isLength = ([name]: Line): boolean => name.toLowerCase() === 'content-length';
