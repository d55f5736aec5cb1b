/** What of a path is made equal before policies and routes see it. */
import { describe, expect, it } from 'vitest';
import { startMesh, weft } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';
import { raw } from '../harness/raw.ts';

const GUARD = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-admin }
spec:
  selector: { matchLabels: { app: echo } }
  action: DENY
  rules: [{ to: [{ operation: { paths: [/admin/keys] } }] }]
`;

/** By mode: what the application sees of each path; 403 where the policy knows it. */
const SEEN = {
  NONE: { '/a/../b': '/a/../b', '/admin//keys': '/admin//keys', '/admin%2Fkeys': '/admin%2Fkeys', '/admin/keys': 403 },
  BASE: { '/a/../b': '/b', '/x/../admin/keys': 403, '/admin//keys': '/admin//keys', '/admin%2Fkeys': '/admin%2Fkeys' },
  MERGE_SLASHES: { '/a/../b': '/b', '/admin//keys': 403, '/admin%2Fkeys': '/admin%2Fkeys' },
  DECODE_AND_MERGE_SLASHES: { '/a/../b': '/b', '/admin//keys': 403, '/admin%2Fkeys': 403, '/c%2F%2Fd': '/c/d' },
} as const;

describe('SE-11 path normalization', () => {
  it.each(Object.keys(SEEN) as (keyof typeof SEEN)[])('SE-11 %s', async (mode) => {
    await using mesh = await startMesh({
      args: ['--no-gateway', ...(mode === 'BASE' ? [] : ['--path-normalization', mode])],
    });
    await startEcho(mesh, { service: 'echo', version: 'v1' });
    await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
    await mesh.synced();
    await mesh.apply(GUARD);
    const echo = await mesh.outbound('client', 'echo', 8000);
    for (const [path, seen] of Object.entries(SEEN[mode])) {
      const answer = await raw(echo, `GET ${path} HTTP/1.1\r\nhost: echo\r\nconnection: close\r\n\r\n`);
      const said = seen === 403 ? /^HTTP\/1\.1 403/ : new RegExp(`^HTTP/1\\.1 200[\\s\\S]*"url":"${seen}"`);
      expect([path, answer]).toEqual([path, expect.stringMatching(said)]);
    }
  });

  it('SE-11 an unknown mode is a usage error', async () => {
    expect(await weft(['up', '--path-normalization', 'SOME'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('DECODE_AND_MERGE_SLASHES') as string,
    });
  });
});
