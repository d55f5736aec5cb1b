/** B1, B3a and B8: one proxy, HTTP/1.1 on both sides, nothing but a route. */
import { httpListener } from '../lab/envoy.ts';
import { floor } from '../lab/floor.ts';
import type { Lab } from '../lab/lab.ts';
import { haproxy, nginx } from '../lab/plain-proxies.ts';
import type { Contender } from '../measure.ts';
import type { Scenario } from '../scenario.ts';
import { bodyCases, KB } from './bodies.ts';
import { AUTHORITY, oneEnvoy, oneSidecar } from './contenders.ts';

export const plainHttp1: Scenario = {
  id: 'B1',
  title: 'HTTP/1.1 plain, keep-alive, one route',
  loads: 5,
  startSeconds: 10,
  async stage(lab) {
    const contenders = [await floor(lab, AUTHORITY), ...(await plainContenders(lab))];
    return [
      {
        title: '1 KB, 32 connections ("floor": the same reads and writes without parsing)',
        contenders,
        work: { http1: { connections: 32, requestBytes: 0, responseBytes: KB } },
        goals: [
          { figure: 'usPerRequest', of: 'weft', against: 'envoy', most: 0.65 },
          { figure: 'usPerRequest', of: 'weft', against: 'nginx', most: 1.8 },
        ],
      },
    ];
  },
};

export const plainBodies: Scenario = {
  id: 'B3a',
  title: 'HTTP/1.1 plain with large bodies',
  loads: 12,
  startSeconds: 10,
  async stage(lab) {
    const found = [await nginx(lab, AUTHORITY), await envoy(lab), await oneSidecar(lab, 'http')];
    return bodyCases(
      found.filter((contender) => contender !== undefined),
      '16 connections',
      (sizes) => ({ http1: { connections: 16, ...sizes } }),
    );
  },
};

export const addedLatency: Scenario = {
  id: 'B8',
  title: 'Added latency, HTTP/1.1 plain, 1 000 requests/s due one by one',
  loads: 12,
  startSeconds: 10,
  async stage(lab) {
    const direct: Contender = {
      name: 'direct',
      version: '',
      host: '127.0.0.1',
      port: await lab.backend(),
      authority: AUTHORITY,
      pids: [],
    };
    const contenders = [direct, ...(await plainContenders(lab))];
    return [
      {
        title: '1 KB, 16 connections; latency from the intended send time',
        contenders,
        work: { http1: { connections: 16, requestBytes: 0, responseBytes: KB, rate: 1000 } },
        leastSeconds: 5,
        goals: [
          { figure: 'p50Ms', of: 'weft', against: 'envoy', most: 1 },
          { figure: 'p99Ms', of: 'weft', against: 'envoy', most: 1 },
        ],
      },
    ];
  },
};

async function plainContenders(lab: Lab): Promise<readonly Contender[]> {
  const found = [
    await nginx(lab, AUTHORITY),
    await haproxy(lab, AUTHORITY),
    await envoy(lab),
    await oneSidecar(lab, 'http'),
  ];
  return found.filter((contender) => contender !== undefined);
}

const envoy = (lab: Lab): Promise<Contender | undefined> =>
  oneEnvoy(lab, 'http', (port) => httpListener({ port, cluster: 'backend' }));
