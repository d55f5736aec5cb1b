/** B3c, B4 and B5: one proxy, HTTP/2 without TLS on both sides. */
import { httpListener } from '../lab/envoy.ts';
import type { Lab } from '../lab/lab.ts';
import { haproxy } from '../lab/plain-proxies.ts';
import { whyNoH2Load, type H2LoadShape } from '../load/h2-load.ts';
import type { Contender } from '../measure.ts';
import type { Case, Goal, Scenario } from '../scenario.ts';
import { bodyCases, KB } from './bodies.ts';
import { AUTHORITY, oneEnvoy, oneSidecar } from './contenders.ts';

const MESSAGE_BYTES = 256;
const MESSAGES = 1000;
const goals: readonly Goal[] = [{ figure: 'usPerRequest', of: 'weft', against: 'envoy', most: 0.8 }];
const shape: H2LoadShape = { connections: 4, streams: 100, requestBytes: 0, responseBytes: KB };

export const http2: Scenario = {
  id: 'B4',
  title: 'HTTP/2 on both sides',
  loads: 3,
  startSeconds: 10,
  stage: (lab) =>
    withContenders(lab, (contenders) => [
      { title: '1 KB, 4 connections of 100 streams', work: { http2: shape }, goals, contenders },
    ]),
};

export const http2Bodies: Scenario = {
  id: 'B3c',
  title: 'HTTP/2 on both sides with large bodies',
  loads: 8,
  startSeconds: 10,
  stage: (lab) =>
    withContenders(lab, (contenders) =>
      bodyCases(contenders, '4 connections', (sizes, bytes) => ({
        // As many bytes at a time for both sizes.
        http2: { ...shape, ...sizes, streams: bytes > 64 * KB ? 2 : 10 },
      })),
    ),
};

export const grpc: Scenario = {
  id: 'B5',
  title: 'gRPC',
  loads: 6,
  startSeconds: 10,
  stage: (lab) =>
    withContenders(lab, (contenders) => [
      {
        title: `unary, ${MESSAGE_BYTES}-byte messages, 4 connections of 100 streams`,
        contenders,
        work: { http2: { ...shape, grpc: { messageBytes: MESSAGE_BYTES, answers: 1 } } },
        goals,
      },
      {
        title: `server streaming of ${MESSAGES} messages of ${MESSAGE_BYTES} bytes, 4 connections of 10 streams`,
        contenders,
        work: { http2: { ...shape, streams: 10, grpc: { messageBytes: MESSAGE_BYTES, answers: MESSAGES } } },
        unit: { name: 'message', perRequest: MESSAGES },
        goals,
      },
    ]),
};

async function withContenders(
  lab: Lab,
  cases: (contenders: readonly Contender[]) => readonly Case[],
): Promise<readonly Case[]> {
  const missing = whyNoH2Load();
  if (missing !== undefined) {
    lab.missing.add(`HTTP/2: ${missing}`);
    return [];
  }
  const found = [await haproxy(lab, AUTHORITY, 'http2'), await envoy(lab), await oneSidecar(lab, 'http2')];
  return cases(found.filter((contender) => contender !== undefined));
}

const envoy = (lab: Lab): Promise<Contender | undefined> =>
  oneEnvoy(lab, 'http2', (port) => httpListener({ port, cluster: 'backend' }));
