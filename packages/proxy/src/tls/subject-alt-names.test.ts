import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { certificate, type CertificateName, roots, spiffe } from '../test-support/certificates.ts';
import { readSubjectAltNames } from './subject-alt-names.ts';

const der = (pem: string | undefined): Buffer => new X509Certificate(pem ?? '').raw;
const urisOf = (name: CertificateName): readonly string[] =>
  readSubjectAltNames(der(certificate(name).certificateChain)).uris;

describe('readSubjectAltNames', () => {
  it('reads URIs', () => {
    expect(urisOf('client')).toEqual([spiffe('client')]);
    expect(urisOf('two-names')).toEqual([spiffe('client'), spiffe('server')]);
    expect(readSubjectAltNames(der(roots().trustedCa))).toEqual({ uris: [], dns: [], emails: [], ips: [] });
  });

  it('gives no names, and no error, for what is cut or damaged', () => {
    const whole = der(certificate('client').certificateChain);
    for (let end = 0; end < whole.length; end += 7)
      expect(readSubjectAltNames(whole.subarray(0, end)).uris).toEqual([]);
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole);
      damaged[at] = 0xff;
      readSubjectAltNames(damaged);
    }
  });
});
