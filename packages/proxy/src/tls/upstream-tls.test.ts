import { create } from '@bufbuild/protobuf';
import { UpstreamTlsContextSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { createRegexEngine } from '@weft/evaluator';
import { PassThrough } from 'node:stream';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { HostFacts } from '../upstream/host-facts.ts';
import { IdentityMismatchError, UpstreamTls } from './upstream-tls.ts';

const facts = { address: '127.0.0.1', port: 443 } as HostFacts;
const session = Buffer.from('a session');
const secrets = { get: () => undefined, generation: 0, close: () => {} };
const options = { secrets, regex: createRegexEngine(), resource: 'test', speaks: 'tcp', sanValidation: false } as const;

function tls(maxSessionKeys: number | undefined) {
  const secrets = { ...options.secrets, generation: 1 };
  const message = create(UpstreamTlsContextSchema, {
    commonTlsContext: {},
    ...(maxSessionKeys === undefined ? {} : { maxSessionKeys }),
  });
  const made = new UpstreamTls(message, { ...options, secrets });
  made.connectOptions(facts, 0);
  made.keepSession(facts, { session, peer: 'spiffe://peer', verifiedMs: 0 });
  return { made, secrets };
}

describe('sessions towards a host', () => {
  it('are kept with the peer they were made with, until secrets change', () => {
    const { made, secrets } = tls(undefined);
    expect(made.resumablePeer(facts, 1)).toBe('spiffe://peer');
    secrets.generation = 2;
    made.keepSession({ ...facts, port: 444 }, { session, peer: 'spiffe://peer', verifiedMs: 0 });
    expect(made.resumablePeer({ ...facts, port: 444 }, 1)).toBe('');
  });
  it('are kept for each name that was asked for', () => {
    const { made } = tls(undefined);
    made.keepSession(facts, { session, peer: 'spiffe://other', verifiedMs: 0 }, 'other.test');
    expect([made.resumablePeer(facts, 1), made.resumablePeer(facts, 1, 'other.test')]).toEqual([
      'spiffe://peer',
      'spiffe://other',
    ]);
    expect(made.resumablePeer(facts, 1, 'third.test')).toBe('');
  });

  it('are resumed for ten minutes after the peer has shown its certificate', () => {
    const { made } = tls(undefined);
    const offered = (nowMs: number): unknown => {
      const connect = made.connectOptions(facts, nowMs);
      return typeof connect === 'string' ? connect : connect.session;
    };
    expect([offered(599_999), made.resumablePeer(facts, 599_999)]).toEqual([session, 'spiffe://peer']);
    expect([offered(600_000), made.resumablePeer(facts, 600_000)]).toEqual([undefined, '']);
  });

  it('are not kept when the host tells them after secrets have changed, to a connection from before', () => {
    const { made, secrets } = tls(undefined);
    const offered = (): unknown => {
      const connect = made.connectOptions(facts, 1);
      return typeof connect === 'string' ? connect : connect.session;
    };
    secrets.generation = 2;
    expect(offered()).toBeUndefined();
    const before = new TLSSocket(new PassThrough());
    made.watch(before, facts, 1);
    secrets.generation = 3;
    expect(offered()).toBeUndefined();
    before.emit('session', session);
    expect(offered()).toBeUndefined();
    const after = new TLSSocket(new PassThrough());
    made.watch(after, facts, 1);
    after.emit('session', session);
    expect(offered()).toEqual(session);
  });

  it('are not kept where none may be', () => {
    expect(tls(0).made.resumablePeer(facts, 1)).toBe('');
    expect(tls(1).made.resumablePeer(facts, 1)).toBe('spiffe://peer');
  });
});

describe('peers that no rule names', () => {
  const checked = (sni: string, sanValidation: boolean): Error | undefined => {
    const message = create(UpstreamTlsContextSchema, { sni, commonTlsContext: {} });
    const made = new UpstreamTls(message, {
      ...options,
      secrets: { ...secrets, generation: 1 },
      sanValidation,
    }).connectOptions(facts, 1);
    if (typeof made === 'string') throw new Error(made);
    const certificate = { subject: {}, subjectaltname: 'DNS:good.test' } as unknown as PeerCertificate;
    return made.checkServerIdentity?.('', certificate);
  };
  it('are held to the name that was asked for where auto_san_validation is set', () => {
    expect(checked('good.test', true)).toBeUndefined();
    expect(checked('bad.test', true)).toBeInstanceOf(IdentityMismatchError);
    expect(checked('', true)).toBeInstanceOf(IdentityMismatchError);
    expect(checked('bad.test', false)).toBeUndefined();
  });
  it('are held to the name that a request asks for, where requests say it', () => {
    const ask = (asked: string) => {
      const made = new UpstreamTls(create(UpstreamTlsContextSchema, { sni: 'good.test', commonTlsContext: {} }), {
        ...options,
        secrets: { ...secrets, generation: 1 },
        sanValidation: true,
      }).connectOptions(facts, 1, asked);
      if (typeof made === 'string') throw new Error(made);
      const certificate = { subject: {}, subjectaltname: 'DNS:good.test, IP Address:127.0.0.1' };
      return [made.servername, made.checkServerIdentity?.('', certificate as unknown as PeerCertificate) === undefined];
    };
    expect(ask('')).toEqual(['good.test', true]);
    expect(ask('good.test')).toEqual(['good.test', true]);
    expect(ask('bad.test')).toEqual(['bad.test', false]);
    expect(ask('127.0.0.1')).toEqual(['', true]);
    expect(ask('127.0.0.2')).toEqual(['', false]);
  });
});

describe('files and variables of the environment', () => {
  const made = (context: object) => () =>
    new UpstreamTls(create(UpstreamTlsContextSchema, { commonTlsContext: context }), options);
  const filename = { specifier: { case: 'filename' as const, value: 'ca.pem' } };
  const validation = (value: object) => ({ validationContextType: { case: 'validationContext' as const, value } });
  it('are refused: without roots of its own a context would trust those of the system', () => {
    expect(made(validation({ trustedCa: filename }))).toThrow(/trusted_ca: only inline_string and inline_bytes/);
    expect(made(validation({ trustedCa: {} }))).toThrow(/trusted_ca is empty/);
    expect(made(validation({ crl: filename }))).toThrow(/crl is not supported/);
    expect(made({ tlsCertificates: [{ certificateChain: filename }] })).toThrow(/certificate_chain: only inline/);
    expect(made(validation({}))).not.toThrow();
  });
});
