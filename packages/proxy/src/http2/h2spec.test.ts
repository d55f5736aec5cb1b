// The whole proxy before h2spec, where that is at hand: WEFT_H2SPEC names the program. e2e/interop builds it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { HttpConnectionManager_CodecType as CodecType } from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { describe, expect, it } from 'vitest';
import { startProxy } from '../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { httpUpstream, readBody } from '../test-support/upstream.ts';

const program = process.env['WEFT_H2SPEC'] ?? 'h2spec';
const absent = spawnSync(program, ['--version']).status !== 0;
if (absent) console.warn('skipped: h2spec (not on PATH, and WEFT_H2SPEC is not set)');

describe.skipIf(absent)('h2spec', () => {
  it('finds nothing to complain of', { timeout: 180_000 }, async () => {
    await using upstream = await httpUpstream((request, response) => {
      // Some requests are cut off in the middle.
      void readBody(request).then(
        (body) => response.end(`you said: ${body}`),
        () => {},
      );
    });
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')), { codecType: CodecType.HTTP2 })])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const child = spawn(program, ['-h', '127.0.0.1', '-p', String(proxy.portOf('in')), '-o', '5']);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await once(child, 'close');
    expect(text).toMatch(/145 tests, 145 passed, 0 skipped, 0 failed/);
  });
});
