import { PATH_NORMALIZATIONS } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import { messageJson } from '../testing/json.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { FilterSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { httpConnectionManager } from './http-connection-manager.ts';

const EXPECTED = {
  NONE: { normalizePath: false },
  BASE: { normalizePath: true },
  MERGE_SLASHES: { normalizePath: true, mergeSlashes: true },
  DECODE_AND_MERGE_SLASHES: {
    normalizePath: true,
    mergeSlashes: true,
    pathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD',
  },
};

describe('pathNormalization', () => {
  it.each(PATH_NORMALIZATIONS)('%s reaches every connection manager', (mode) => {
    const context = contextOf(snapshotOf({ mesh: { pathNormalization: mode } }), 'reviews-v1');
    for (const side of ['inbound', 'outbound', 'gateway', 'http-proxy'] as const) {
      const filter = httpConnectionManager(context, { side, statPrefix: side, routes: 'r' });
      const { typedConfig } = messageJson(FilterSchema, filter) as { typedConfig: Record<string, unknown> };
      const { normalizePath, mergeSlashes, pathWithEscapedSlashesAction } = typedConfig;
      expect({ normalizePath, mergeSlashes, pathWithEscapedSlashesAction }).toEqual({
        mergeSlashes: undefined,
        pathWithEscapedSlashesAction: undefined,
        ...EXPECTED[mode],
      });
    }
  });
  it('is BASE unless said otherwise, as in Istio', () => {
    expect(snapshotOf().mesh.pathNormalization).toBe('BASE');
  });
});
