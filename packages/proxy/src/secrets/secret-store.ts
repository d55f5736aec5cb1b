import { SECRET_DEFAULT, SECRET_ROOT, type WorkloadSecret } from '@weft/contracts';
import type { SecretSource, TlsSecret } from '../ports.ts';

/** The identity of this workload, and secrets that TLS settings name, in memory only. */
export interface SecretStore extends SecretSource {
  /** Takes a renewed certificate, changed roots, or both. Equal secrets change nothing. */
  replace(workload: WorkloadSecret, rootCaPem: string): void;
  /** undefined until the first secret came. */
  readonly identity: WorkloadIdentitySecret | undefined;
  /** A secret that is not the workload's own. */
  put(name: string, secret: TlsSecret): void;
  /** Why there is none, or no newer one: what stood before stands. */
  fault(name: string, reason: string): void;
  drop(name: string): void;
  /** Those that were put, or have a fault, by name. */
  named(): ReadonlyMap<string, NamedSecret>;
  /** What may be shown to everybody, by SDS name. */
  publicParts(): readonly PublicSecret[];
}

export interface NamedSecret {
  readonly secret: TlsSecret | undefined;
  readonly fault: string | undefined;
}

export interface PublicSecret {
  readonly name: string;
  readonly certificateChain?: string;
  readonly trustedCa?: string;
  /** Why there is nothing yet, or nothing newer. */
  readonly fault?: string;
}

export interface WorkloadIdentitySecret extends WorkloadSecret {
  readonly rootCaPem: string;
}

export function createSecretStore(): SecretStore {
  let identity: WorkloadIdentitySecret | undefined;
  const own = new Map<string, TlsSecret>();
  const named = new Map<string, NamedSecret>();
  const listeners = new Set<(name: string) => void>();
  const tell = (name: string): void => {
    for (const listener of listeners) listener(name);
  };
  return {
    get: (name) => own.get(name) ?? named.get(name)?.secret,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    replace(workload, rootCaPem) {
      const former = identity;
      identity = { ...workload, rootCaPem };
      own.set(SECRET_DEFAULT, { certificateChain: workload.certChainPem, privateKey: workload.privateKeyPem });
      own.set(SECRET_ROOT, { trustedCa: rootCaPem });
      // Both are in place before either is told, so that no listener sees a new key under old roots.
      if (former?.certChainPem !== workload.certChainPem || former.privateKeyPem !== workload.privateKeyPem) {
        tell(SECRET_DEFAULT);
      }
      if (former?.rootCaPem !== rootCaPem) tell(SECRET_ROOT);
    },
    get identity() {
      return identity;
    },
    put(name, secret) {
      const former = named.get(name)?.secret;
      named.set(name, { secret, fault: undefined });
      if (former === undefined || !isSame(former, secret)) tell(name);
    },
    fault(name, reason) {
      named.set(name, { secret: named.get(name)?.secret, fault: reason });
    },
    drop(name) {
      const former = named.get(name);
      named.delete(name);
      if (former?.secret !== undefined) tell(name);
    },
    named: () => named,
    publicParts() {
      const parts: PublicSecret[] =
        identity === undefined
          ? []
          : [
              { name: SECRET_DEFAULT, certificateChain: identity.certChainPem },
              { name: SECRET_ROOT, trustedCa: identity.rootCaPem },
            ];
      for (const [name, { secret, fault }] of named) {
        const { certificateChain, trustedCa } = secret ?? {};
        parts.push({
          name,
          ...(certificateChain === undefined ? {} : { certificateChain }),
          ...(trustedCa === undefined ? {} : { trustedCa }),
          ...(fault === undefined ? {} : { fault }),
        });
      }
      return parts;
    },
  };
}

const isSame = (a: TlsSecret, b: TlsSecret): boolean =>
  a.certificateChain === b.certificateChain && a.privateKey === b.privateKey && a.trustedCa === b.trustedCa;
