/** Every scenario, in the order in which they run. */
import type { Scenario } from '../scenario.ts';
import { churn } from './churn.ts';
import { grpc, http2, http2Bodies } from './http2.ts';
import { addedLatency, plainBodies, plainHttp1 } from './plain-http1.ts';
import { routes } from './scale.ts';
import { pairBodies, pairHttp1, pairHttp2 } from './sidecar-pair.ts';
import { connections } from './tcp.ts';

export const scenarios: readonly Scenario[] = [
  plainHttp1,
  pairHttp1,
  pairHttp2,
  plainBodies,
  pairBodies,
  http2Bodies,
  http2,
  grpc,
  connections,
  routes,
  addedLatency,
  churn,
];
