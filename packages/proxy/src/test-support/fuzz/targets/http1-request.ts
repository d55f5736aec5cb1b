// What a client may send to the HTTP/1 codec: whatever it is and however it is cut, the codec does with it what the plain
// reading in reference/http1.ts says, and what goes on reads as exactly the messages that were taken.
import { type FuzzTarget, must, mustEqual } from '../fuzz-target.ts';
import { Pieces, randomOf } from '../pieces.ts';
import { endToEnd, forwardedRequest, keepsAlive, readMessage, ReferenceReader, showLines, valuesOf } from '../reference/http1.ts'; // prettier-ignore
import { ANSWERS, type Conversation, DEFAULT_HOST, type Received, ServerHarness } from './http1-conversation.ts';
import { HTTP1_TOKENS } from './http1-tokens.ts';

/** Small, so that inputs reach them. */
const LIMITS = { maxBytes: 1500, maxFields: 24 };
const MAX_BYTES = 2048;

export function http1Request(): FuzzTarget {
  const reader = new ReferenceReader('request');
  const harness = new ServerHarness(LIMITS);
  const pieces = new Pieces(MAX_BYTES, harness.feed);
  return {
    name: 'http1-request',
    maxBytes: MAX_BYTES,
    dictionary: HTTP1_TOKENS,
    run(input) {
      const random = randomOf(input);
      const plain = harness.converse(ANSWERS.atEnd, () => pieces.whole(input), false);
      checkAgainstReference(plain, input.toString('latin1'), reader);
      const behaviour = `${plain.refused} ${plain.exchanges.map((one) => behaviourOf(one)).join(' ')}`;
      if (random.int(4) > 0) return behaviour;
      const answers = random.int(4) === 0 ? random.int(4) : random.int(2);
      const cut = harness.converse(answers, () => pieces.cut(input, random), random.int(4) === 0);
      if (answers !== ANSWERS.atHead) mustEqual(cut.trace(), plain.trace(), 'what was read depends on the pieces');
      return behaviour;
    },
  };
}

const behaviourOf = ({ complete, aborted, chunked, body, forwarded }: Received): string =>
  `${complete ? '' : aborted}${chunked ? 'c' : ''}${body === '' ? '' : 'b'}${forwarded.length >>> 7}`;

function checkAgainstReference({ exchanges, refused }: Conversation, text: string, reader: ReferenceReader): void {
  let at = 0;
  for (let i = 0; ; i += 1) {
    const message = readMessage(text, at, 'request', LIMITS);
    const wanted = typeof message === 'string' ? undefined : forwardedRequest(message, DEFAULT_HOST);
    if (typeof message === 'string' || wanted === undefined) {
      must(exchanges.length === i, `took request ${i}, which is none`);
      if (message !== 'partial') must(refused !== '', `did not refuse request ${i}`);
      return;
    }
    must(refused === '' || i < exchanges.length, `refused request ${i}: ${refused}`);
    const got = exchanges[i];
    if (got === undefined) throw new Error(`did not take request ${i}`);
    const sent = reader.read(got.forwarded);
    must(typeof sent !== 'string', `what goes on is not a request: ${JSON.stringify(got.forwarded)}`);
    mustEqual(valuesOf(sent.lines, 'host').join(), wanted.authority, 'Host');
    mustEqual(`${sent.method} ${sent.target}`, `${wanted.method} ${wanted.target}`, 'first line');
    mustEqual(showLines(endToEnd(sent.lines, true)), showLines(wanted.lines), 'lines');
    mustEqual(got.body, message.body, 'body');
    if (message.state !== 'complete') {
      must(!got.complete, 'a request that was cut is complete');
      if (message.state === 'broken') must(got.aborted === 'bad-request', 'broken chunks were not refused');
      must(exchanges.length === i + 1, 'a request inside another');
      return;
    }
    must(
      got.complete && sent.state === 'complete' && sent.end === got.forwarded.length,
      'what goes on is not one whole message',
    );
    mustEqual(sent.body, message.body, 'body that goes on');
    mustEqual(showLines(sent.trailers), showLines(message.trailers), 'trailers');
    if (message.method === 'CONNECT' || !keepsAlive(message)) {
      must(exchanges.length === i + 1 && refused === '', 'a request behind the last');
      return;
    }
    at = message.end;
  }
}
