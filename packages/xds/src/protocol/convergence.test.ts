/** A law over both halves: whatever happens in between, once all is quiet the client has what the server has. */
import { XDS_TYPE } from '@weft/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sotw, viewOf } from '../testing/view.ts';
import type { ResourceView } from '../server/xds-source.ts';
import { DeltaClient } from './delta-client.ts';
import type { DeltaRequest, IncomingDelta } from './messages.ts';
import { createDeltaStream, createSotwStream, type ServerResponse, type ServerStream } from './server-stream.ts';
import { ABSENT, standIn } from './type-rules.ts';

const { cluster: CDS, endpoint: EDS, listener: LDS, route: RDS, secret: SDS } = XDS_TYPE;
const TYPES = [CDS, EDS, LDS, RDS, SDS] as const;
const NAMES = ['a', 'b', 'c', 'd'];
// The client refuses this version of anything.
const POISON = 'poison';

type World = Map<string, Map<string, string>>;

const viewOfWorld = (world: World): ResourceView =>
  viewOf(Object.fromEntries([...world].map(([type, names]) => [type, Object.fromEntries(names)])));

const type = fc.constantFrom(...TYPES);
const name = fc.constantFrom(...NAMES);
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      type,
      name,
      version: fc.constantFrom('1', '2', '3', POISON),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), type, name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('subscribe' as const), type, names: fc.uniqueArray(name) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('all' as const), type }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disconnect' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), messages: fc.integer({ min: 1, max: 5 }) }),
  },
);

/** Both halves with messages on the way between them. */
class DeltaPair {
  readonly world: World = new Map(TYPES.map((url) => [url, new Map<string, string>()]));
  readonly client = new DeltaClient();
  /** What the client's user has in force. */
  readonly applied = new Map<string, Map<string, string>>(TYPES.map((url) => [url, new Map<string, string>()]));
  #server: ServerStream<DeltaRequest> = createDeltaStream('0-');
  #streams = 0;
  #up: DeltaRequest[] = [];
  #down: ServerResponse[] = [];

  change(url: string, name: string, version: string | undefined): void {
    if (version === undefined) this.world.get(url)?.delete(name);
    else this.world.get(url)?.set(name, version);
    this.#server.changed(new Map([[url, new Set([name])]]));
  }

  subscribe(url: string, names: Set<string> | '*'): void {
    this.client.setSubscriptions(url, names);
    const applied = this.applied.get(url);
    if (names !== '*') for (const name of applied?.keys() ?? []) if (!names.has(name)) applied?.delete(name);
  }

  disconnect(): void {
    this.#streams += 1;
    this.#server = createDeltaStream(`${this.#streams}-`);
    this.#up = [];
    this.#down = [];
    this.client.connected();
  }

  #now = 0;

  /** Lets one message arrive. @returns false when nothing was on the way. */
  step(): boolean {
    const view = viewOfWorld(this.world);
    for (let next = this.client.next(); next; next = this.client.next()) this.#up.push(next);
    for (let next = this.#server.next(view, this.#now); next; next = this.#server.next(view, this.#now))
      this.#down.push(next);
    const request = this.#up.shift();
    if (request) {
      this.#server.handle(request, this.#now);
      return true;
    }
    const response = this.#down.shift();
    if (!response) return false;
    this.#receive(response);
    return true;
  }

  #receive(sent: ServerResponse): void {
    const { typeUrl, nonce, version, removed } = sent;
    const resources = sent.resources.map((resource) => ({ ...resource, typeUrl }));
    const incoming: IncomingDelta = { typeUrl, nonce, systemVersion: version, removed, resources };
    const read = this.client.read(incoming);
    expect(read.faults).toEqual([]);
    const rejected = read.added
      .filter((one) => one.version === POISON)
      .map((one) => ({ name: one.name, reason: 'poison' }));
    const applied = this.applied.get(typeUrl);
    for (const one of read.added) if (one.version !== POISON) applied?.set(one.name, one.version);
    for (const gone of read.removed) applied?.delete(gone);
    this.client.settle(incoming, read, rejected, 0);
  }

  quiet(): void {
    let steps = 0;
    for (;;) {
      steps += 1;
      if (steps > 10_000) throw new Error('the two talk for ever');
      if (this.step()) continue;
      // What is held back for a while comes when that is over.
      const held = this.#server.heldUntil();
      if (held === undefined) return;
      this.#now = held;
    }
  }

  /** What the client ought to have: the world, by its subscriptions; empty stand-ins for unknown routes and endpoints. */
  expected(url: string): Map<string, string> {
    const subscription = this.client.types().find(({ typeUrl }) => typeUrl === url);
    const have = this.world.get(url) ?? new Map<string, string>();
    if (!subscription) return new Map();
    if (subscription.wildcard) return new Map(have);
    const named = [...subscription.names].flatMap((one) => {
      const version = have.get(one) ?? (standIn(url, one) ? ABSENT : undefined);
      return version === undefined ? [] : [[one, version] as const];
    });
    return new Map(named);
  }
}

describe('delta, both halves', () => {
  it('the client converges to what the server has, through changes, NACKs, disconnects and changed subscriptions', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60, size: 'max' }), (events) => {
        const pair = new DeltaPair();
        for (const one of events) {
          if (one.do === 'set') pair.change(one.type, one.name, one.version);
          if (one.do === 'remove') pair.change(one.type, one.name, undefined);
          if (one.do === 'subscribe') pair.subscribe(one.type, new Set(one.names));
          if (one.do === 'all') pair.subscribe(one.type, '*');
          if (one.do === 'disconnect') pair.disconnect();
          if (one.do === 'deliver') for (let i = 0; i < one.messages; i += 1) pair.step();
        }
        pair.quiet();
        // Mend what is poisoned; then there is nothing left to refuse.
        for (const [url, names] of pair.world) {
          for (const [poisoned, version] of names) if (version === POISON) pair.change(url, poisoned, '9');
        }
        pair.quiet();
        for (const url of TYPES) {
          // A removed route or endpoint that is still named may be unknown, or stand in empty: both mean there is none.
          const clean = (map: ReadonlyMap<string, string>): Map<string, string> =>
            new Map([...map].filter(([, version]) => version !== ABSENT));
          expect([url, clean(pair.applied.get(url)!)]).toEqual([url, clean(pair.expected(url))]);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('while something is refused, the client keeps its former version and everything else converges', () => {
    const pair = new DeltaPair();
    pair.subscribe(RDS, '*');
    pair.change(RDS, 'a', '1');
    pair.change(RDS, 'b', '1');
    pair.quiet();
    pair.change(RDS, 'a', POISON);
    pair.change(RDS, 'b', '2');
    pair.quiet();
    pair.disconnect();
    pair.quiet();
    expect([...pair.applied.get(RDS)!]).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
  });
});

/** The least a state-of-the-world client does, as Envoy does it. */
describe('state of the world, a client that acknowledges everything', () => {
  it('converges; absence deletes clusters and listeners only', () => {
    const change = fc.record({
      type: fc.constantFrom(CDS, EDS, LDS, RDS),
      name,
      version: fc.option(fc.constantFrom('1', '2', '3'), { nil: undefined }),
      drain: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40, size: 'max' }), (changes) => {
        const world: World = new Map(TYPES.map((url) => [url, new Map<string, string>()]));
        const server = createSotwStream('s-');
        const held = new Map<string, Map<string, string>>();
        const asked = (url: string): string[] => (url === EDS || url === RDS ? NAMES : []);
        for (const url of [CDS, EDS, LDS, RDS]) server.handle(sotw(url, asked(url)), 0);
        const drain = (): void => {
          const view = viewOfWorld(world);
          for (let next = server.next(view, 0); next; next = server.next(view, 0)) {
            const { typeUrl, nonce, resources } = next;
            const got = new Map(resources.map((resource) => [resource.name, resource.version]));
            const full = typeUrl === CDS || typeUrl === LDS;
            held.set(typeUrl, full ? got : new Map([...(held.get(typeUrl) ?? []), ...got]));
            server.handle(sotw(typeUrl, asked(typeUrl), { nonce, versionInfo: next.version }), 0);
          }
        };
        for (const one of changes) {
          if (one.version === undefined) world.get(one.type)?.delete(one.name);
          else world.get(one.type)?.set(one.name, one.version);
          server.changed(new Map([[one.type, new Set([one.name])]]));
          if (one.drain) drain();
        }
        drain();
        for (const url of [CDS, LDS]) expect(held.get(url) ?? new Map<string, string>()).toEqual(world.get(url));
        for (const url of [EDS, RDS])
          for (const [one, version] of world.get(url)!) expect(held.get(url)?.get(one)).toBe(version);
      }),
      { numRuns: 500 },
    );
  });
});
