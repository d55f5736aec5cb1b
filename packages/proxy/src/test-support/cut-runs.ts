// Runs of one kind: connections cut at one byte after the other, in every way, for every shape of a request.
import { type Cut, http1Phase, http2Phase, type Passed, type Phase, waitFor } from '@weft/testkit';
import { answerTo, type Shape, SHAPES } from './booking-apps.ts';
import { cutBench, type CutBench, type Protocol, type Site, type Topology } from './cut-bench.ts';
import type { Outcome } from './cut-clients.ts';
import { type CutRun, wrongWith } from './cut-rules.ts';
import type { RequestRecord } from '../request-record.ts';

export interface CutsReport {
  readonly runs: number;
  /** `way, how, shape, byte: what is wrong`. */
  readonly wrong: readonly string[];
  /** Phases in which cuts were made: `there head`, `back body`, … */
  readonly phases: ReadonlySet<string>;
  /** Statuses of the clients, and reasons of the first proxy. */
  readonly statuses: ReadonlySet<number>;
  readonly reasons: ReadonlySet<string>;
}

export interface CutsOptions {
  readonly site: Site;
  /** Only each so-manieth byte is met; where one begins differs from shape to shape, so that together they meet all. */
  readonly step: number;
  /** Between two proxies: bytes of a connection that just begins. */
  readonly handshakes?: boolean;
}

const LANES = 8;
const WAYS = ['there', 'back'] as const;
const HOWS = ['ended', 'closed', 'reset'] as const;

interface Job {
  readonly cut: Cut;
  readonly shape: Shape;
}
interface Done extends Job {
  readonly path: string;
  readonly passed: Passed;
  readonly outcome: Outcome;
}

export async function cutEverywhere(topology: Topology, options: CutsOptions): Promise<CutsReport> {
  await using bench = await cutBench(topology, options.site, LANES);
  const jobs = await planned(bench, options);
  const done: Done[] = [];
  let number = 0;
  await Promise.all(
    bench.lanes.map(async (_, lane) => {
      for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
        number += 1;
        done.push(await runOne(bench, lane, pathOf(lane, number), job, options));
      }
    }),
  );
  await bench.nothingLeft();
  return judged(bench, topology, options.site, done);
}

/** All of one length. */
const pathOf = (lane: number, number: number): string => `/${lane}/${String(number).padStart(7, '0')}`;

/** What goes each way without a cut says where cuts can be. */
async function planned(bench: CutBench, { site, step, handshakes = false }: CutsOptions): Promise<Job[]> {
  const jobs: Job[] = [];
  const [lane] = bench.lanes;
  if (lane === undefined) return jobs;
  let begin = 0;
  for (const shape of SHAPES) {
    const path = pathOf(0, 9_000_000 + SHAPES.indexOf(shape));
    if (site === 'middle' && !handshakes) await bench.ask(lane.port, `${path}-before`, shape);
    else lane.relay.breakAll();
    const passed = lane.relay.cutNext({ way: 'back', after: Infinity, how: 'closed', present: !handshakes });
    const { status, whole, body } = await bench.ask(lane.port, path, shape);
    if (status !== 200 || !whole || body !== answerTo(path)) throw new Error(`uncut: ${status} ${body}`);
    for (const way of WAYS)
      for (const how of HOWS) {
        begin += 1;
        const { length } = passed[way];
        for (let after = 0; after <= length; after += 1)
          if (after === 0 || after === length || (after + begin) % step === 0)
            jobs.push({ shape, cut: { way, how, after, present: site === 'middle' && !handshakes } });
      }
  }
  return jobs;
}

async function runOne(bench: CutBench, lane: number, path: string, job: Job, options: CutsOptions): Promise<Done> {
  const { relay, port } = bench.lanes[lane] ?? {};
  if (relay === undefined || port === undefined) throw new Error(`no lane ${lane}`);
  if (options.site === 'middle') {
    if (options.handshakes === true) {
      relay.breakAll();
      await waitFor(() => relay.open() === 0, { everyMs: 1 });
    }
    // A connection is there: what breaks is the exchange, not the handshake.
    else await bench.ask(port, `${path}-before`, 'get');
  }
  const passed = relay.cutNext(job.cut);
  const outcome = await bench.ask(port, path, job.shape);
  return { ...job, path, passed, outcome };
}

function judged(bench: CutBench, topology: Topology, site: Site, done: readonly Done[]): CutsReport {
  const wrong: string[] = [];
  const phases = new Set<string>();
  const first = byPath(bench.first.records);
  const last = byPath(bench.last.records);
  const spoken = site === 'client' ? topology.down : topology.up;
  for (const { path, shape, cut, passed, outcome } of done) {
    const informational = shape === 'get' ? 0 : 1;
    const known = site !== 'middle' && passed.cut;
    const request = known ? phaseOf(spoken, passed.there, 'request') : undefined;
    const response = known ? phaseOf(spoken, passed.back, 'response', informational) : undefined;
    if (known) phases.add(`${cut.way} ${cut.way === 'there' ? request : response}`);
    const run: CutRun = {
      site,
      between: topology.mesh !== undefined,
      shape,
      request,
      response,
      outcome,
      expected: answerTo(path),
      begun: bench.books.begun(path),
      booked: bench.books.booked(path),
      first: first.get(path) ?? [],
      last: last.get(path) ?? [],
    };
    const what = `${cut.way} ${cut.how} ${shape} ${cut.after} (${passed.there.length} there, ${passed.back.length} back)`;
    for (const one of wrongWith(run)) wrong.push(`${what}: ${one}`);
  }
  return {
    runs: done.length,
    wrong,
    phases,
    statuses: new Set(done.map(({ outcome }) => outcome.status)),
    reasons: new Set(bench.first.records.map(({ reason }) => reason)),
  };
}

const phaseOf = (protocol: Protocol, bytes: Buffer, kind: 'request' | 'response', informational = 0): Phase =>
  protocol === 'HTTP/2' ? http2Phase(bytes, kind, informational) : http1Phase(bytes, informational);

function byPath(records: readonly RequestRecord[]): ReadonlyMap<string, readonly RequestRecord[]> {
  const all = new Map<string, RequestRecord[]>();
  for (const record of records) all.set(record.path, [...(all.get(record.path) ?? []), record]);
  return all;
}
