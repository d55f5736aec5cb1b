import type { Static } from 'typebox';
import { matchLabelsSelector } from './common.ts';
import { choice, duration, list, message, opt, text, uint32 } from './meta.ts';

const count = () => uint32({ min: 1 });
const time = () => duration({ format: 'duration-or-zero' });

export const ListenerLimitsSpec = message(
  {
    selector: opt(matchLabelsSelector()),
    /** Of the workload or gateway; every port without one. */
    port: opt(uint32({ format: 'port-number', min: 1, max: 65_535 })),
    /** Connections at once. */
    maxConnections: opt(count()),
    /** What one client may take of a gateway. Inside the mesh callers are known by name, and not by address. */
    perAddress: opt(
      message({
        maxConnections: opt(count()),
        /** New connections, and how many may come at once after a rest (default: as many). */
        connectionsPerSecond: opt(count()),
        burst: opt(count()),
        /** After so many connections that had to be closed for a flood, within this time, none is taken for a while. */
        floods: opt(count()),
        floodWindow: opt(duration({ default: '10s' })),
        refuseFor: opt(duration({ default: '10s' })),
        /** Addresses without limits. */
        exempt: opt(list(text({ format: 'cidr' }))),
      }),
    ),
    /** Of clients that speak HTTP. 0s = no limit. */
    http: opt(
      message({
        maxHeadersKb: opt(uint32({ min: 1, max: 8_192, default: 60 })),
        maxHeaders: opt(uint32({ min: 1, default: 100 })),
        headersTimeout: opt(time()),
        requestTimeout: opt(time()),
        idleTimeout: opt(time()),
        streamIdleTimeout: opt(time()),
        maxConnectionDuration: opt(time()),
        maxRequestsPerConnection: opt(count()),
        headersWithUnderscores: opt(choice(['ALLOW', 'REJECT', 'DROP'])),
      }),
    ),
    http2: opt(
      message({
        maxConcurrentStreams: opt(uint32({ min: 1, max: 2_147_483_647 })),
        streamWindowBytes: opt(uint32({ min: 65_535, max: 2_147_483_647 })),
        connectionWindowBytes: opt(uint32({ min: 65_535, max: 2_147_483_647 })),
      }),
    ),
  },
  { test: 'RE-10' },
);

/** What clients may hold of a workload's or gateway's ports, beside Envoy's own defaults. Where several apply, each field is the first's that has it. */
export type ListenerLimitsSpec = Static<typeof ListenerLimitsSpec>;
