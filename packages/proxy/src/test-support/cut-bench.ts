// A client, one proxy or two, an application, and something between two of them that breaks connections.
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  CircuitBreakersSchema,
  CircuitBreakers_ThresholdsSchema,
} from '@weft/contracts/lean/envoy/config/cluster/v3/circuit_breaker';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { HttpProtocolOptionsSchema } from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { createCuttingRelay, type CuttingRelay, waitFor } from '@weft/testkit';
import { Books, http1BookingApp, http2BookingApp } from './booking-apps.ts';
import { askHttp1, askHttp2, type AskOnce } from './cut-clients.ts';
import { startProxy, type TestProxy } from './harness.ts';
import { clientSocket, secretsOf, serverSocket } from './mutual-tls.ts';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from './resources.ts';

export type Protocol = 'HTTP/1.1' | 'HTTP/2';

export interface Topology {
  /** What the client speaks. */
  readonly down: Protocol;
  /** Between two proxies, by mutual TLS; undefined: there is one proxy. */
  readonly mesh: Protocol | 'carried' | undefined;
  /** What the application speaks. */
  readonly up: Protocol;
}
/** In front of the first proxy, between two, or in front of the application. */
export type Site = 'client' | 'middle' | 'application';

export interface CutBench extends AsyncDisposable {
  readonly books: Books;
  /** The one that the client calls, and the one before the application; the same where there is only one. */
  readonly first: TestProxy;
  readonly last: TestProxy;
  /** Requests of one lane come one after the other and meet its relay; paths begin with its number. */
  readonly lanes: readonly { readonly relay: CuttingRelay; readonly port: number }[];
  readonly ask: AskOnce;
  /** Connections, requests, timers: of everything here. @throws when something stays. */
  nothingLeft(): Promise<void>;
}

/** The control plane's default. */
const retryPolicy = {
  retryOn: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,weft-safe-reset',
  numRetries: 2,
};
const NO_LIMIT = 0xffff_ffff;
/** Without such a limit, proxies of the mesh carry HTTP/1.1 in HTTP/2. */
const unlimited = create(CircuitBreakersSchema, {
  thresholds: [create(CircuitBreakers_ThresholdsSchema, { maxConnections: NO_LIMIT, maxPendingRequests: NO_LIMIT })],
});
const IDLE_MS = 400;

/** @param maxRequests on one connection; 0 = no limit. */
const speaking = (protocol: Protocol, maxRequests: number) => ({
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, {
    commonHttpProtocolOptions: {
      ...(maxRequests > 0 ? { maxRequestsPerConnection: maxRequests } : {}),
      // What is kept for the next request ends soon, so that nothing is left.
      idleTimeout: durationFromMs(IDLE_MS),
    },
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: {
        protocolConfig:
          protocol === 'HTTP/2'
            ? { case: 'http2ProtocolOptions', value: {} }
            : { case: 'httpProtocolOptions', value: {} },
      },
    },
  }),
});

export async function cutBench({ down, mesh, up }: Topology, site: Site, laneCount: number): Promise<CutBench> {
  const opened: AsyncDisposable[] = [];
  const open = async <T extends AsyncDisposable>(made: Promise<T>): Promise<T> => {
    const one = await made;
    opened.push(one);
    return one;
  };
  const numbers = Array.from({ length: laneCount }, (_, i) => i);
  const relaysTo = async (port: number): Promise<readonly CuttingRelay[]> =>
    Promise.all(numbers.map(() => open(createCuttingRelay({ host: '127.0.0.1', port }))));
  /** A cluster for each lane, by the beginning of the path. */
  const byLane = (ports: readonly number[], init: Parameters<typeof staticCluster>[2], retries: boolean) => ({
    routes: routes(
      ...numbers.map((lane) =>
        toCluster(
          `lane-${lane}`,
          retries ? { retryPolicy } : {},
          { match: { pathSpecifier: { case: 'prefix', value: `/${lane}/` } } },
        ),
      ),
    ),
    clusters: numbers.map((lane) => staticCluster(`lane-${lane}`, [ports[lane] ?? 0], init)),
  }); // prettier-ignore

  const books = new Books();
  const app = await open(up === 'HTTP/2' ? http2BookingApp(books) : http1BookingApp(books));
  const relays = site === 'application' ? await relaysTo(app.port) : [];
  const appPorts = numbers.map((lane) => relays[lane]?.port ?? app.port);
  // A connection each to an application that is cut off, so that every request meets its cut.
  const toApp = byLane(appPorts, { typedExtensionProtocolOptions: speaking(up, site === 'application' ? 1 : 0), circuitBreakers: unlimited }, mesh === undefined); // prettier-ignore
  const last = await open(
    startProxy(
      resourceSet({
        listeners: [
          listener(
            'in',
            [httpChain(toApp.routes, {}, mesh === undefined ? {} : { transportSocket: serverSocket })],
            mesh === undefined ? {} : { trafficDirection: TrafficDirection.INBOUND },
          ),
        ],
        clusters: toApp.clusters,
      }),
      mesh === undefined ? {} : { secrets: secretsOf('server') },
    ),
  );
  let first = last;
  let door = last.portOf('in');
  let middle: readonly CuttingRelay[] = [];
  if (mesh !== undefined) {
    if (site === 'middle') middle = await relaysTo(last.portOf('in'));
    const meshPorts = numbers.map((lane) => middle[lane]?.port ?? last.portOf('in'));
    const init = {
      transportSocket: clientSocket('server'),
      // Where nothing is said HTTP/1.1 is carried, unless connections are limited.
      ...(mesh === 'HTTP/1.1' ? {} : { circuitBreakers: unlimited }),
      typedExtensionProtocolOptions: speaking(mesh === 'HTTP/2' ? 'HTTP/2' : 'HTTP/1.1', 0),
    };
    const toPeer = byLane(meshPorts, init, true);
    first = await open(
      startProxy(
        resourceSet({
          listeners: [listener('out', [httpChain(toPeer.routes)])],
          clusters: toPeer.clusters,
        }),
        { secrets: secretsOf('client') },
      ),
    );
    door = first.portOf('out');
  }
  const front = site === 'client' ? await relaysTo(door) : [];
  const ask = down === 'HTTP/2' ? askHttp2 : askHttp1;
  const all = first === last ? [first] : [first, last];
  const left = () => ({
    connections: all.map(({ path }) => path.activeConnections()),
    timers: all.map(({ path }) => path.armedTimers()),
    upstream: all.map(({ path }) =>
      path
        .clusters()
        .flatMap(({ hosts }) => hosts)
        .reduce((sum, host) => sum + host.activeConnections + host.activeRequests, 0),
    ),
    relayed: [...front, ...middle, ...relays].reduce((sum, relay) => sum + relay.open(), 0),
  });
  return {
    books,
    first,
    last,
    lanes: numbers.map((lane) => ({
      relay: (front[lane] ?? middle[lane] ?? relays[lane]) as CuttingRelay,
      port: front[lane]?.port ?? door,
    })),
    ask,
    async nothingLeft() {
      const zeros = all.map(() => 0);
      const nothing = JSON.stringify({ connections: zeros, timers: zeros, upstream: zeros, relayed: 0 });
      await waitFor(() => JSON.stringify(left()) === nothing, { timeoutMs: 60_000 }).catch(() => {
        throw new Error(`left behind: ${JSON.stringify(left())}`);
      });
    },
    async [Symbol.asyncDispose]() {
      for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
    },
  };
}
