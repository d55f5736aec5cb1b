import { describe, expect, it } from 'vitest';
import type { ClusterStatus, HostStatus } from '../ports.ts';
import { mergeClusters } from './merge-status.ts';

const host = (name: string, more: Partial<HostStatus> = {}): HostStatus => ({
  name,
  hostname: '',
  healthy: true,
  healthFlags: [],
  edsHealth: 'HEALTHY',
  successRate: -1,
  localOriginSuccessRate: -1,
  weight: 1,
  priority: 0,
  locality: '',
  activeConnections: 1,
  totalConnections: 2,
  activeRequests: 3,
  totalRequests: 4,
  failedRequests: 5,
  connectFailures: 6,
  timedOutRequests: 7,
  pendingRequests: 8,
  ...more,
});
const cluster = (name: string, hosts: readonly HostStatus[]): ClusterStatus => ({
  name,
  maxConnections: 1,
  maxPendingRequests: 2,
  maxRequests: 3,
  maxRetries: 4,
  hosts,
});

describe('the status of several workers', () => {
  it('is the health that the first one sees, with the numbers of all', () => {
    const merged = mergeClusters([
      [
        cluster('a', [host('1', { healthFlags: ['failed_outlier_check'], healthy: false }), host('2')]),
        cluster('b', []),
      ],
      [cluster('a', [host('1', { totalRequests: 10 }), host('3', { totalRequests: 7 })])],
      [cluster('a', [host('3')])],
    ]);
    expect(merged.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(
      merged[0]?.hosts.map(({ name, healthy, totalRequests, activeConnections }) => [
        name,
        healthy,
        totalRequests,
        activeConnections,
      ]),
    ).toEqual([
      ['1', false, 14, 2],
      ['2', true, 4, 1],
      ['3', true, 11, 2],
    ]);
    expect(mergeClusters([])).toEqual([]);
  });
});
