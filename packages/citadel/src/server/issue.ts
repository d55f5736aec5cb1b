/** One signing request, from what the wire carried to a chain or a failure. Knows no gRPC. */
import { errorMessage, type Logger } from '@weft/kit';
import type { Authenticator, CallCredentials } from '../authn/caller.ts';
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import { CsrRefusedError, parseSigningRequest, type SigningRequest } from '../ca/csr.ts';
import type { CitadelMetrics } from '../metrics.ts';
import type { IssueFailure } from './failures.ts';

export interface IssueOptions {
  readonly defaultTtlMs: number;
  readonly maxTtlMs: number;
}

export interface IssueDeps {
  readonly authority: CertificateAuthority;
  readonly authenticate: Authenticator;
  readonly metrics: CitadelMetrics;
  readonly logger: Logger;
  readonly options: IssueOptions;
}

export interface IssueRequest {
  readonly credentials: CallCredentials;
  readonly csr: string;
  /** Seconds; zero and less ask for the default. */
  readonly validitySeconds: bigint;
  /** The caller wants to act for this identity. */
  readonly impersonated: string | undefined;
  readonly certSigner: string | undefined;
}

export type IssueResult =
  | { readonly ok: true; readonly chain: readonly string[] }
  | { readonly ok: false; readonly failure: IssueFailure };

const failed = (failure: IssueFailure): IssueResult => ({ ok: false, failure });

export async function issue(deps: IssueDeps, request: IssueRequest): Promise<IssueResult> {
  const { authority, authenticate, metrics, logger, options } = deps;
  metrics.csrReceived();
  const caller = await authenticate(request.credentials);
  if (!caller.ok) {
    logger.warn({ reason: caller.reason }, 'certificate request not authenticated');
    return failed({ kind: 'unauthenticated' });
  }
  const { namespace, serviceAccount } = caller.identity;
  const log = logger.child({ namespace, serviceAccount, workload: caller.workload, by: caller.authenticator });
  if (request.impersonated !== undefined) {
    log.warn({ wanted: request.impersonated.slice(0, 256) }, 'impersonation refused: no node proxy may act for others');
    return failed({ kind: 'impersonation' });
  }
  if (request.certSigner !== undefined) {
    return failed({ kind: 'signer', detail: 'this authority has no certificate signer to choose' });
  }
  const ttl = grantedTtl(request.validitySeconds, options);
  if (ttl === undefined) {
    const detail = `requested TTL ${request.validitySeconds}s is greater than the max allowed TTL ${options.maxTtlMs / 1000}s`;
    log.warn({ detail }, 'certificate request refused');
    return failed({ kind: 'ttl', detail });
  }
  let parsed: SigningRequest;
  try {
    parsed = parseSigningRequest(request.csr);
  } catch (error) {
    if (!(error instanceof CsrRefusedError)) throw error;
    log.warn({ detail: error.message }, 'certificate request refused');
    return failed({ kind: 'csr', detail: error.message });
  }
  try {
    const { identity } = caller;
    const leaf = authority.issue({
      identity,
      publicKey: parsed.publicKey,
      ttlMs: ttl,
      withCommonName: parsed.hasCommonName,
    });
    metrics.issued(caller.authenticator);
    log.info({ spiffeId: leaf.spiffeId, notAfter: new Date(leaf.notAfter).toISOString() }, 'certificate issued');
    return { ok: true, chain: [leaf.leafPem, ...leaf.intermediatesPem, leaf.rootsPem] };
  } catch (error) {
    log.error({ error: errorMessage(error) }, 'certificate could not be made');
    return failed({ kind: 'generation', detail: errorMessage(error) });
  }
}

/** @returns milliseconds, or undefined when more is wanted than is allowed. */
function grantedTtl(seconds: bigint, { defaultTtlMs, maxTtlMs }: IssueOptions): number | undefined {
  if (seconds <= 0n) return Math.min(defaultTtlMs, maxTtlMs);
  return seconds * 1000n > BigInt(maxTtlMs) ? undefined : Number(seconds) * 1000;
}
