// Connections that end after any number of bytes, on either side of a proxy: each end has its reason, and nothing stays.
import { Agent, request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { startProxy, type TestProxy } from './test-support/harness.ts';
import { HttpProtocolOptionsSchema } from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from './test-support/resources.ts';
import { httpUpstream, readBody, tcpUpstream, type TestServer } from './test-support/upstream.ts';

const ONCE = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, {
    commonHttpProtocolOptions: { maxRequestsPerConnection: 1 },
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } },
    },
  }),
};
/** The control plane's default. */
const retryPolicy = {
  retryOn: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,weft-safe-reset',
  numRetries: 2,
};
// A message of these tests has less; what lies behind its end is not met.
const LONGEST = 420;
// Divides neither a line nor a frame, so that several runs of one length meet each place.
const STEP = 3;
const BODY = 'a body of some length';

type Side = 'client' | 'application';
type Way = 'there' | 'back';
type Protocol = 'HTTP/1.1' | 'HTTP/2';

interface Cut {
  readonly way: Way;
  readonly after: number;
  readonly how: 'closed' | 'reset';
}

/** Passes bytes on until the told number of them has gone the told way; then both sides hear no more. */
function relayOnce(socket: Socket, port: number, cut: Cut | undefined): void {
  const other = connect({ host: '127.0.0.1', port });
  socket.on('error', ignore);
  other.on('error', ignore);
  const end = (): void => {
    for (const one of [socket, other]) {
      if (cut?.how === 'reset') one.resetAndDestroy();
      else one.destroy();
    }
  };
  const pass = (from: Socket, to: Socket, way: Way): void => {
    let left = cut?.way === way ? cut.after : Infinity;
    if (left === 0) return void other.once('connect', end);
    from.on('error', end);
    from.on('close', end);
    from.on('data', (data: Buffer) => {
      const now = data.subarray(0, left);
      left -= now.length;
      if (left > 0) to.write(now);
      else to.write(now, end);
    });
  };
  pass(socket, other, 'there');
  pass(other, socket, 'back');
}

const ignore = (): void => {};

interface Outcome {
  /** 0 = no answer, or one that was cut. */
  readonly status: number;
  readonly reason: string;
}

function askHttp1(port: number, path: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const agent = new Agent();
    const end = (outcome: Outcome): void => {
      agent.destroy();
      resolve(outcome);
    };
    const asked = httpRequest({ host: '127.0.0.1', port, path, method: 'POST', agent }, (response) => {
      const reason = String(response.headers['x-weft-reason'] ?? '');
      response.resume();
      response.on('end', () => end({ status: response.complete ? (response.statusCode ?? 0) : 0, reason }));
      response.on('error', () => end({ status: 0, reason }));
    });
    asked.on('error', () => end({ status: 0, reason: '' }));
    asked.end(BODY);
  });
}

function askHttp2(port: number, path: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    let [status, reason, ended] = [0, '', false];
    const end = (): void => {
      session.destroy();
      resolve({ status: ended ? status : 0, reason });
    };
    session.on('error', end);
    session.on('close', end);
    const stream = session.request({ ':path': path, ':method': 'POST' });
    stream.on('response', (head) => {
      status = Number(head[':status']);
      reason = String(head['x-weft-reason'] ?? '');
    });
    stream.on('error', end);
    stream.on('end', () => (ended = true));
    stream.on('close', end);
    stream.resume();
    stream.end(BODY);
  });
}

const EXPECTED: Readonly<Record<Side, readonly string[]>> = {
  // Also an answer that was complete for the proxy, whose last bytes the relay kept.
  client: ['', 'downstream-closed', 'downstream-reset'],
  application: [
    '',
    'upstream-connect-failure',
    'upstream-closed',
    'upstream-reset',
    'upstream-response-cut',
    'upstream-protocol-error',
  ],
};

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

interface Bench {
  readonly proxy: TestProxy;
  readonly booked: ReadonlyMap<string, number>;
  ask(path: string, cut: Cut): Promise<Outcome>;
}

async function bench(side: Side, protocol: Protocol): Promise<Bench> {
  const booked = new Map<string, number>();
  const open = async <T extends AsyncDisposable>(made: Promise<T>): Promise<T> => {
    const one = await made;
    opened.push(one);
    return one;
  };
  const app = await open(
    httpUpstream((request, response) => {
      void readBody(request).then(
        (body) => {
          if (body === BODY) booked.set(request.url ?? '', (booked.get(request.url ?? '') ?? 0) + 1);
          response.end('booked');
        },
        () => response.destroy(),
      );
    }),
  );
  // Requests come one at a time, so the next connection is the one to cut.
  let next: Cut | undefined;
  const relay = (port: () => number): Promise<TestServer> =>
    open(
      tcpUpstream((socket) => {
        const cut = next;
        next = undefined;
        relayOnce(socket, port(), cut);
      }),
    );
  const behind = side === 'application' ? (await relay(() => app.port)).port : app.port;
  const proxy = await open(
    startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('app', { retryPolicy })))])],
        // A connection each, so that every request meets its cut.
        clusters: [staticCluster('app', [behind], { typedExtensionProtocolOptions: ONCE })],
      }),
    ),
  );
  const front = side === 'client' ? (await relay(() => proxy.portOf('in'))).port : proxy.portOf('in');
  const ask = protocol === 'HTTP/2' ? askHttp2 : askHttp1;
  return {
    proxy,
    booked,
    ask(path, cut) {
      next = cut;
      return ask(front, path);
    },
  };
}

const CASES = (['client', 'application'] as const).flatMap((side) =>
  (['there', 'back'] as const).flatMap((way) =>
    (['HTTP/1.1', 'HTTP/2'] as const).flatMap((protocol) =>
      (['closed', 'reset'] as const).map((how) => ({ side, way, protocol, how })),
    ),
  ),
);

describe('a connection that ends after any number of bytes', () => {
  it.each(CASES)(
    '$how on the side of the $side, on the way $way, over $protocol',
    async ({ side, way, protocol, how }) => {
      const { proxy, booked, ask } = await bench(side, protocol);
      const seen = new Map<string, number>();
      for (let after = 0; after <= LONGEST; after += STEP) {
        const path = `/${after}`;
        const before = proxy.records.length;
        const outcome = await ask(path, { way, after, how });
        expect(booked.get(path) ?? 0, `bookings of a request cut at ${after}`).toBeLessThanOrEqual(1);
        if (outcome.status === 200) expect(booked.get(path)).toBe(1);
        // A client that got an answer of the mesh reads why.
        if (outcome.status !== 200 && outcome.status !== 0) expect(outcome.reason).not.toBe('');
        await waitFor(() => proxy.path.activeConnections() === 0, { everyMs: 1, what: `the end of ${after}` });
        for (const record of proxy.records.slice(before)) {
          expect(EXPECTED[side], `the reason of a request cut at ${after}`).toContain(record.reason);
          seen.set(record.reason, (seen.get(record.reason) ?? 0) + 1);
          // Whatever was not answered by the application has a reason.
          if (record.code !== 200) expect(record.reason).not.toBe('');
        }
      }
      // Both ends of the scale were met: those that failed, and those that were over before the cut.
      expect(seen.get('') ?? 0).toBeGreaterThan(0);
      // A small answer is whole for the proxy, wherever on its way to the client it is lost.
      if (side === 'application' || way === 'there') expect(seen.size).toBeGreaterThan(1);
      await waitFor(
        () =>
          proxy.path.armedTimers() === 0 &&
          proxy.path
            .clusters()
            .flatMap(({ hosts }) => hosts)
            .every((host) => host.activeConnections === 0 && host.activeRequests === 0),
        { what: 'nothing to be left' },
      );
    },
  );
});
