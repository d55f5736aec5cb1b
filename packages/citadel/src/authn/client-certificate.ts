import { readSvid } from '@weft/contracts';
import type { Clock } from '@weft/kit';
import { refusedCaller, type Authenticator } from './caller.ts';

export interface ClientCertificateOptions {
  /** Only names of these are accepted: ours and its aliases. */
  readonly trustDomains: readonly string[];
  readonly clock: Clock;
}

/** Accepts the client certificate of a verified mutual TLS connection: its one SPIFFE id is who calls. */
export function createClientCertificateAuthenticator({ trustDomains, clock }: ClientCertificateOptions): Authenticator {
  return ({ verifiedPeer }) => {
    if (!verifiedPeer) return refusedCaller('no verified client certificate');
    const svid = readSvid(verifiedPeer);
    if (!svid.ok) return refusedCaller(svid.reason);
    // A connection may outlive the certificate that opened it.
    const { notBefore, notAfter } = svid.certificate;
    const nowMs = clock.now();
    if (nowMs < notBefore || nowMs > notAfter) return refusedCaller('the client certificate is not valid at this time');
    if (!trustDomains.includes(svid.identity.trustDomain))
      return refusedCaller('the client is of another trust domain');
    return { ok: true, identity: svid.identity, authenticator: 'certificate' };
  };
}
