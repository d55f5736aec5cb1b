/** A certificate authority in memory, built on another library than our own code, and a clock that can be suspended. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { Clock, Timer } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import type { CertificateCall, CertificateRequester } from '../ca-client/certificate-requester.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const SKEW_MS = 120_000;

export interface TestAuthority {
  readonly request: CertificateRequester;
  readonly calls: readonly CertificateCall[];
  rootsPem(): string;
  /** While set, calls for which it gives a message fail with it. */
  failing: ((call: CertificateCall) => string | undefined) | undefined;
  /** Changes each answer before it is given. */
  spoil: ((chain: readonly string[]) => readonly string[]) | undefined;
  /** Signs with a new root from now on, and trusts the former one too. */
  replaceRoot(): Promise<void>;
}

interface Root {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

export async function createTestAuthority(clock: Clock, spiffeId: string, maxTtlMs = Infinity): Promise<TestAuthority> {
  const calls: CertificateCall[] = [];
  let roots = [await newRoot(clock, 'CN=root 1')];
  const rootsPem = (): string => roots.map(({ certificate }) => `${certificate.toString('pem')}\n`).join('');
  const authority: TestAuthority = {
    calls,
    rootsPem,
    failing: undefined,
    spoil: undefined,
    async request(call) {
      calls.push(call);
      const failure = authority.failing?.(call);
      if (failure !== undefined) throw new Error(failure);
      const csr = new x509.Pkcs10CertificateRequest(call.csrPem);
      if (!(await csr.verify())) throw new Error('the request is not signed by its key');
      const [root] = roots;
      if (!root) throw new Error('no root');
      const leaf = await x509.X509CertificateGenerator.create({
        issuer: root.certificate.subject,
        notBefore: new Date(clock.now() - SKEW_MS),
        notAfter: new Date(clock.now() + Math.min(maxTtlMs, call.ttlSeconds * 1000)),
        publicKey: csr.publicKey,
        signingKey: root.keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }], true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        ],
      });
      const chain = [`${leaf.toString('pem')}\n`, rootsPem()];
      return authority.spoil?.(chain) ?? chain;
    },
    async replaceRoot() {
      roots = [await newRoot(clock, `CN=root ${roots.length + 1}`), ...roots];
    },
  };
  return authority;
}

async function newRoot(clock: Clock, name: string): Promise<Root> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    notBefore: new Date(clock.now() - SKEW_MS),
    notAfter: new Date(clock.now() + 3650 * 86_400_000),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return { certificate, keys };
}

/** Like a laptop: while it sleeps the wall clock goes on, and timers, which count running time, do not. */
export class SuspendableClock implements Clock {
  readonly #running: FakeClock;
  #sleptMs = 0;

  constructor(startMs: number) {
    this.#running = new FakeClock(startMs);
  }

  now(): number {
    return this.#running.now() + this.#sleptMs;
  }

  at(dueMs: number, run: () => void): Timer {
    return this.#running.at(dueMs - this.#sleptMs, run);
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#running.after(delayMs, run);
  }

  sleep(ms: number): void {
    this.#sleptMs += ms;
  }

  advanceAsync(ms: number, stepMs?: number): Promise<void> {
    return this.#running.advanceAsync(ms, stepMs);
  }
}
