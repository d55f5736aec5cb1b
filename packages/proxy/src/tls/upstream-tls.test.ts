import { create } from '@bufbuild/protobuf';
import { UpstreamTlsContextSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { createRegexEngine } from '@weft/evaluator';
import { describe, expect, it } from 'vitest';
import type { HostFacts } from '../upstream/host-facts.ts';
import { UpstreamTls } from './upstream-tls.ts';

const facts = { address: '127.0.0.1', port: 443 } as HostFacts;
const session = Buffer.from('a session');

function tls(maxSessionKeys: number | undefined) {
  const secrets = { get: () => undefined, generation: 0, close: () => {} };
  const message = create(UpstreamTlsContextSchema, {
    commonTlsContext: {},
    ...(maxSessionKeys === undefined ? {} : { maxSessionKeys }),
  });
  const made = new UpstreamTls(message, secrets, createRegexEngine(), 'test', 'tcp');
  made.keepSession(facts, session, 'spiffe://peer');
  return { made, secrets };
}

describe('sessions towards a host', () => {
  it('are kept with the peer they were made with, until secrets change', () => {
    const { made, secrets } = tls(undefined);
    expect(made.resumablePeer(facts)).toBe('spiffe://peer');
    secrets.generation = 1;
    made.keepSession({ ...facts, port: 444 }, session, 'spiffe://peer');
    expect(made.resumablePeer({ ...facts, port: 444 })).toBe('');
  });
  it('are not kept where none may be', () => {
    expect(tls(0).made.resumablePeer(facts)).toBe('');
    expect(tls(1).made.resumablePeer(facts)).toBe('spiffe://peer');
  });
});
