import type { Static } from 'typebox';
import { bool, choice, duration, int32, list, map, message, opt, text, uint32 } from './meta.ts';

const status = () => uint32({ min: 100, max: 599 });

export const HealthCheckPolicySpec = message(
  {
    /** The service whose instances are asked, by every proxy that calls it. */
    host: text({ format: 'short-or-dns-host', minLength: 1 }),
    /** That the service is called on; every port without one. */
    port: opt(uint32({ format: 'port-number', min: 1, max: 65_535 })),
    /** Of a DestinationRule; the service as a whole and all its subsets without one. */
    subset: opt(text({ format: 'dns-label', minLength: 1 })),
    http: opt(
      message(
        {
          path: text({ minLength: 1 }),
          method: opt(choice(['GET', 'HEAD', 'OPTIONS'], { default: 'GET' })),
          /** Default: the service’s host name. */
          host: opt(text()),
          headers: opt(map(text(), { maxItems: 20 })),
          expectedStatuses: opt(list(status(), { minItems: 1, maxItems: 50, default: [200] })),
          /** An unexpected status is believed at once, whatever the threshold. */
          failAtOnce: opt(bool({ default: false })),
        },
        { oneof: 'check' },
      ),
    ),
    /** A connection, or what is said over it. */
    tcp: opt(message({ send: opt(text()), receive: opt(list(text({ minLength: 1 }))) }, { oneof: 'check' })),
    /** grpc.health.v1; SERVING and nothing else is well. */
    grpc: opt(message({ service: opt(text()), authority: opt(text()) }, { oneof: 'check' })),
    interval: opt(duration({ default: '10s' })),
    timeout: opt(duration({ default: '3s' })),
    /** Of instances that are out; default: `interval`. */
    unhealthyInterval: opt(duration()),
    /** Each wait is longer by up to so many percent, so that proxies do not ask in step. */
    jitterPercent: opt(int32({ min: 0, max: 100, default: 10 })),
    unhealthyThreshold: opt(uint32({ min: 1, max: 100, default: 3 })),
    healthyThreshold: opt(uint32({ min: 1, max: 100, default: 2 })),
    /** Another port of the same instances. */
    checkPort: opt(uint32({ format: 'port-number', min: 1, max: 65_535 })),
  },
  { requiredOneofs: ['check'], test: 'RE-07' },
);

/** How callers find out whether the instances of a service are well, beside what the registry says (Envoy’s active health checks). */
export type HealthCheckPolicySpec = Static<typeof HealthCheckPolicySpec>;
