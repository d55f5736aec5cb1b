import { X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { certificate, spiffe } from '../test-support/certificates.ts';
import { CertificateBook } from './certificate-book.ts';

const derOf = (name: 'client' | 'server'): Buffer => new X509Certificate(certificate(name).certificateChain ?? '').raw;

it('a certificate that comes again is read once, and keeps nothing of where it was read from', () => {
  const book = new CertificateBook();
  const bytes = Buffer.concat([derOf('client'), Buffer.from('a key')]);
  const der = bytes.subarray(0, -5);
  const first = book.read(der);
  bytes.fill(0);
  expect(first.names.uris).toEqual([spiffe('client')]);
  expect(first.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(book.read(derOf('client'))).toBe(first);
  expect(book.read(derOf('server')).names.uris).toEqual([spiffe('server')]);
});

it('the book has an end', () => {
  const book = new CertificateBook();
  const first = book.read(derOf('client'));
  for (let i = 0; i < 300; i += 1) book.read(Buffer.from(`no certificate ${i}`));
  const again = book.read(derOf('client'));
  expect(again).not.toBe(first);
  expect(again.names).toEqual(first.names);
});
