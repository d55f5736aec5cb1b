import { SECRET_DEFAULT, SECRET_ROOT, type WorkloadSecret } from '@weft/contracts';
import type { SecretSource, TlsSecret } from '../ports.ts';

/** The identity of this workload, in memory only. */
export interface SecretStore extends SecretSource {
  /** Takes a renewed certificate, changed roots, or both. Equal secrets change nothing. */
  replace(workload: WorkloadSecret, rootCaPem: string): void;
  /** undefined until the first secret came. */
  readonly identity: WorkloadIdentitySecret | undefined;
  /** What may be shown to everybody, by SDS name. */
  publicParts(): readonly PublicSecret[];
}

export interface PublicSecret {
  readonly name: string;
  readonly certificateChain?: string;
  readonly trustedCa?: string;
}

export interface WorkloadIdentitySecret extends WorkloadSecret {
  readonly rootCaPem: string;
}

export function createSecretStore(): SecretStore {
  let identity: WorkloadIdentitySecret | undefined;
  const secrets = new Map<string, TlsSecret>();
  const listeners = new Set<(name: string) => void>();
  const tell = (name: string): void => {
    for (const listener of listeners) listener(name);
  };
  return {
    get: (name) => secrets.get(name),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    replace(workload, rootCaPem) {
      const former = identity;
      identity = { ...workload, rootCaPem };
      secrets.set(SECRET_DEFAULT, { certificateChain: workload.certChainPem, privateKey: workload.privateKeyPem });
      secrets.set(SECRET_ROOT, { trustedCa: rootCaPem });
      // Both are in place before either is told, so that no listener sees a new key under old roots.
      if (former?.certChainPem !== workload.certChainPem || former.privateKeyPem !== workload.privateKeyPem) {
        tell(SECRET_DEFAULT);
      }
      if (former?.rootCaPem !== rootCaPem) tell(SECRET_ROOT);
    },
    get identity() {
      return identity;
    },
    publicParts: () =>
      identity === undefined
        ? []
        : [
            { name: SECRET_DEFAULT, certificateChain: identity.certChainPem },
            { name: SECRET_ROOT, trustedCa: identity.rootCaPem },
          ],
  };
}
