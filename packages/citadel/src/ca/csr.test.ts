import 'reflect-metadata';
import { createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { der } from '@weft/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newRequest } from '../testing/callers.ts';
import { CsrRefusedError, parseSigningRequest } from './csr.ts';

const rsa = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey;
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;

describe('parseSigningRequest', () => {
  it.each([
    ['P-256', ec('P-256'), undefined],
    ['P-384', ec('P-384'), undefined],
    ['RSA 2048', rsa(2048), undefined],
  ])('takes %s', (_, key) => {
    const parsed = parseSigningRequest(newRequest({ key }).csrPem);
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
    expect(Buffer.from(parsed.publicKey).equals(spki)).toBe(true);
    expect(parsed.hasCommonName).toBe(false);
  });

  it('takes a request that another library made', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const request = await Pkcs10CertificateRequestGenerator.create({
      name: 'CN=reviews',
      keys,
      signingAlgorithm: algorithm,
    });
    expect(parseSigningRequest(request.toString('pem')).hasCommonName).toBe(true);
  });

  it.each([
    ['text', 'hello', /not one PEM block/],
    ['a certificate', der.pem('CERTIFICATE', Buffer.from('x')), /not one PEM block/],
    ['bytes that are no request', der.pem('CERTIFICATE REQUEST', Buffer.from('hello')), /can not be read/],
    ['two requests', newRequest().csrPem + newRequest().csrPem, /not one PEM block/],
    ['more than 64 KiB', ' '.repeat(65_536) + newRequest().csrPem, /larger than 65536 bytes/],
    ['a signature of another key', newRequest({ signingKey: ec('P-256') }).csrPem, /signature of the CSR/],
    ['a key on another curve', newRequest({ key: ec('P-521') }).csrPem, /curve other than/],
    ['a key on a curve of Bitcoin', newRequest({ key: ec('secp256k1') }).csrPem, /curve other than/],
    ['RSA 1024', newRequest({ key: rsa(1024) }).csrPem, /1024 bits/],
    ['Ed25519', newRequest({ key: generateKeyPairSync('ed25519').privateKey }).csrPem, /neither ECDSA nor RSA/],
    ['SHA-1', newRequest({ algorithm: '1.2.840.10045.4.1' }).csrPem, /algorithm that is not accepted/],
    [
      'an RSA algorithm on an EC key',
      newRequest({ algorithm: '1.2.840.113549.1.1.11' }).csrPem,
      /algorithm that is not/,
    ],
  ])('refuses %s', (_, pem, reason) => {
    expect(() => parseSigningRequest(pem)).toThrow(CsrRefusedError);
    expect(() => parseSigningRequest(pem)).toThrow(reason);
  });

  it('refuses every changed byte, and only as a refusal', () => {
    const base64 = newRequest().csrPem.replace(/-----[^-]+-----|\s/g, '');
    const good = Buffer.from(base64, 'base64');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: good.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Buffer.from(good);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        expect(() => parseSigningRequest(der.pem('CERTIFICATE REQUEST', bytes))).toThrow(CsrRefusedError);
      }),
      { numRuns: 500 },
    );
  });
});
