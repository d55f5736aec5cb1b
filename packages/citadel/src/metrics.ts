/** The authority's own measurements, under Istio's names. */
import type { Clock } from '@weft/kit';

export const SIGN_ERRORS = ['CA_NOT_READY', 'CSR_ERROR', 'TTL_ERROR', 'CERT_GEN_ERROR', 'UNKNOWN'] as const;
export type SignError = (typeof SIGN_ERRORS)[number];

export interface CitadelMetrics {
  csrReceived(): void;
  authenticationFailed(): void;
  signFailed(error: SignError): void;
  issued(authenticator: 'token' | 'certificate' | 'internal'): void;
  /** Prometheus text format, version 0.0.4. */
  render(): string;
}

export interface ExpirySource {
  expiry(): { readonly chainNotAfter: number; readonly rootsNotAfter: readonly number[] };
}

export function createCitadelMetrics(clock: Clock, authority: ExpirySource): CitadelMetrics {
  let csrs = 0;
  let authenticationFailures = 0;
  const signErrors = new Map<SignError, number>(SIGN_ERRORS.map((error) => [error, 0]));
  const issued = new Map<string, number>([
    ['token', 0],
    ['certificate', 0],
    ['internal', 0],
  ]);
  const add = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  return {
    csrReceived: () => void (csrs += 1),
    authenticationFailed: () => void (authenticationFailures += 1),
    signFailed: (error) => add(signErrors, error),
    issued: (authenticator) => add(issued, authenticator),
    render() {
      const { chainNotAfter, rootsNotAfter } = authority.expiry();
      const secondsLeft = (notAfter: number): number => Math.floor((notAfter - clock.now()) / 1000);
      const first = rootsNotAfter[0] ?? 0;
      return [
        ...family('citadel_server_csr_count', 'counter', 'Signing requests received.', [['', csrs]]),
        ...family('citadel_server_authentication_failure_count', 'counter', 'Callers that were refused.', [
          ['', authenticationFailures],
        ]),
        ...family(
          'citadel_server_csr_sign_err_count',
          'counter',
          'Signing requests that failed, by kind.',
          [...signErrors].map(([error, count]) => [`{error="${error}"}`, count]),
        ),
        ...family(
          'citadel_server_success_cert_issuance_count',
          'counter',
          'Certificates issued, by how the caller was authenticated.',
          [...issued].map(([authenticator, count]) => [`{authenticator="${authenticator}"}`, count]),
        ),
        ...family('citadel_server_root_cert_expiry_timestamp', 'gauge', 'When the first root ends, Unix seconds.', [
          ['', Math.floor(first / 1000)],
        ]),
        ...family(
          'citadel_server_root_cert_expiry_seconds',
          'gauge',
          'Seconds until each root ends.',
          rootsNotAfter.map((notAfter, index): Sample => [`{root="${index}"}`, secondsLeft(notAfter)]),
        ),
        ...family('citadel_server_cert_chain_expiry_timestamp', 'gauge', 'When the signing chain ends, Unix seconds.', [
          ['', Math.floor(chainNotAfter / 1000)],
        ]),
        ...family('citadel_server_cert_chain_expiry_seconds', 'gauge', 'Seconds until the signing chain ends.', [
          ['', secondsLeft(chainNotAfter)],
        ]),
        '',
      ].join('\n');
    },
  };
}

type Sample = readonly [labels: string, value: number];

function family(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string[] {
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}
