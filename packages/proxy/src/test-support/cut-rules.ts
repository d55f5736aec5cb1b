// Which outcome belongs to a cut, by how far request and response had got where it was made.
import { type ReasonCode, REASONS } from '@weft/contracts';
import type { Phase } from '@weft/testkit';
import type { RequestRecord } from '../request-record.ts';
import { flagBit, FLAG_NAMES } from '../response-flags.ts';
import type { Shape } from './booking-apps.ts';
import type { Outcome } from './cut-clients.ts';
import type { Site } from './cut-bench.ts';

/** One request whose connection was cut, and all that is known of it. */
export interface CutRun {
  readonly site: Site;
  /** There are two proxies. */
  readonly between: boolean;
  readonly shape: Shape;
  /** What had passed where it was cut; not known of encrypted bytes. */
  readonly request: Phase | undefined;
  readonly response: Phase | undefined;
  readonly outcome: Outcome;
  readonly expected: string;
  readonly begun: number;
  readonly booked: number;
  /** Records of the proxy that the client calls, and of the one before the application. */
  readonly first: readonly RequestRecord[];
  readonly last: readonly RequestRecord[];
}

/** '' = the application's own answer went through. */
type Ending = ReasonCode | '';

const UNANSWERED: readonly Ending[] = ['upstream-closed', 'upstream-reset'];
const CUT: readonly Ending[] = ['upstream-response-cut'];
const LEFT: readonly Ending[] = ['downstream-closed'];
const WELL: readonly Ending[] = [''];

/** What the proxy beside the cut may say, by phase; undefined = it never heard of a request. */
const ENDINGS: Readonly<Record<'client' | 'application', (request: Phase, response: Phase) => readonly Ending[] | undefined>> = {
  client(request) {
    if (request === 'nothing' || request === 'head') return undefined;
    // A small answer is over for the proxy, wherever on its way to the client it is lost.
    return request === 'whole' ? [...LEFT, ...WELL] : LEFT;
  },
  application(_, response) {
    if (response === 'whole') return WELL;
    return response === 'body' || response === 'trailers' ? CUT : UNANSWERED;
  },
}; // prettier-ignore
/** At the first of two proxies whose connection is cut: nobody knows what was in the bytes that were lost. */
const BETWEEN: readonly Ending[] = [...WELL, ...UNANSWERED, ...CUT, 'upstream-connect-failure', 'upstream-tls-failure'];
const MAX_TRIES = 4;

/** @returns what is wrong with it. */
export function wrongWith(run: CutRun): readonly string[] {
  const wrong: string[] = [];
  const { outcome, shape, booked, begun, first, last, expected } = run;
  const check = (holds: boolean, what: string): void => {
    if (!holds) wrong.push(what);
  };
  check(shape === 'get' || begun <= 1, `a POST that began ${begun} times`);
  check(begun <= MAX_TRIES && booked <= begun, `begun ${begun}, booked ${booked}`);
  check(first.length <= 1, `${first.length} records`);
  // What the client got: the whole right answer, one of the mesh with its reason, or a cut.
  if (outcome.status === 200 && outcome.whole) check(booked >= 1 && outcome.body === expected, `a wrong answer: ${outcome.body}`);
  else if (outcome.status !== 0 && outcome.status !== 200) checkReply(outcome, check);
  for (const record of [...first, ...last]) checkRecord(record, check);
  const [record] = first;
  if (run.site === 'middle') {
    for (const { reason } of first) check(BETWEEN.includes(reason as Ending), `${reason} between two proxies`);
    for (const { reason } of last) check([...LEFT, ...WELL].includes(reason as Ending), `${reason} at the second proxy`);
    // An answer that began to come was one that the other proxy sent.
    if (record?.reason === 'upstream-response-cut') check(last.some(({ code }) => code === 200), 'half an answer that nobody sent');
  } else if (run.request !== undefined && run.response !== undefined) {
    const allowed = ENDINGS[run.site](run.request, run.response);
    const where = `request: ${run.request}, response: ${run.response}`;
    if (allowed === undefined) check(first.length === 0 && begun === 0, `${where}: there is a request`);
    else for (const one of run.site === 'client' ? first : last) checkEnding(run, one, allowed, (holds, what) => check(holds, `${where}: ${what}`));
    if (run.site === 'client' && run.request !== 'whole') check(booked === 0, `${where}: it was booked`);
    if (run.site === 'application' && allowed !== undefined) checkClient(run, allowed, check);
  }
  return wrong;
} // prettier-ignore

type Check = (holds: boolean, what: string) => void;

function checkEnding({ site, shape }: CutRun, { reason, attempts }: RequestRecord, allowed: readonly Ending[], check: Check): void {
  // A GET goes again, from the proxy beside it or from the one before.
  if (site === 'application' && shape === 'get' && reason === '' && allowed === UNANSWERED) return;
  check(allowed.includes(reason as Ending), `${reason || 'nothing'} at the proxy beside it, ${attempts} attempts`);
} // prettier-ignore

const isReason = (text: string): text is ReasonCode => Object.hasOwn(REASONS, text);

function checkReply({ status, reason, body }: Outcome, check: Check): void {
  check(isReason(reason), `status ${status} with the reason ${reason || 'none'}`);
  if (!isReason(reason)) return;
  check(REASONS[reason].status === status, `status ${status} for ${reason}`);
  check(REASONS[reason].text.startsWith(body), `${reason} says ${body}`);
}

/** The flag belongs to the reason, where this proxy found it out itself. */
function checkRecord(record: RequestRecord, check: Check): void {
  const { reason, flags, details, code } = record;
  if (reason === '') return check(code === 200, `status ${code} without a reason`);
  if (!isReason(reason)) return check(false, `the reason ${reason} is unknown`);
  if (details === 'via_upstream') return;
  const flag = FLAG_NAMES.find((name) => name === REASONS[reason].flag);
  check(flag === undefined || (flags & flagBit(flag)) !== 0, `${reason} without its flag`);
  check(details === REASONS[reason].details, `${reason} with the details ${details}`);
}

/** What the application's side suffers shows at the client: in the same word, or as a cut. */
function checkClient({ outcome, shape, booked, between }: CutRun, allowed: readonly Ending[], check: Check): void {
  const whole = outcome.whole && outcome.status === 200;
  const unanswered = outcome.status === 503 && UNANSWERED.includes(outcome.reason as Ending);
  // Between two proxies the half may be lost with its connection: to the first one nothing was answered.
  if (allowed === CUT && between && (shape === 'get' ? whole : unanswered && booked === 1)) return;
  if (allowed === CUT) check(!outcome.whole && outcome.status === 200 && booked === 1, `half an answer that is whole: ${outcome.status}`);
  else if (allowed === WELL) check(whole, `an answer that was lost: ${outcome.status}`);
  // A GET goes again, and is answered then.
  else if (shape === 'get') check(whole, `a GET that did not go again: ${outcome.status}`);
  else check(outcome.status === 503 && allowed.includes(outcome.reason as Ending), `status ${outcome.status}, ${outcome.reason}`);
} // prettier-ignore
