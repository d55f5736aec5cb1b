/** Gets the secrets that listeners and clusters name: from files, or from the control plane. */
import { errorMessage, type Logger } from '@weft/kit';
import { createNamedFiles, type NamedFilesDeps } from './named-files.ts';
import type { SecretStore } from './secret-store.ts';
import { readServedSecret } from './served-secrets.ts';

/** Names that TLS settings hold, by where their secrets come from. */
export interface WantedSecrets {
  readonly files: ReadonlySet<string>;
  /** The control plane serves them. */
  readonly served: ReadonlySet<string>;
}

export interface SecretIntake {
  /** Names all that there are: others are forgotten. */
  want(wanted: WantedSecrets): void;
  /** What the control plane sent. @returns what could not be taken; what stood before stands. */
  take(
    added: readonly { readonly name: string; readonly bytes: Uint8Array }[],
    removed: readonly string[],
  ): { readonly name: string; readonly reason: string }[];
  close(): void;
}

export interface SecretIntakeDeps extends Pick<NamedFilesDeps, 'folders' | 'systemRoots' | 'clock'> {
  readonly store: SecretStore;
  readonly logger: Logger;
}

const NOT_SERVED = 'the control plane has no such secret for this proxy';
const NOT_ANSWERED = 'the control plane has not answered yet';

export function createSecretIntake({ store, logger, ...files }: SecretIntakeDeps): SecretIntake {
  const named = createNamedFiles({
    ...files,
    logger,
    onSecret: (name, secret) => store.put(name, secret),
    onFault: (name, reason) => store.fault(name, reason),
  });
  return {
    want({ files: inFiles, served }) {
      for (const name of store.named().keys()) if (!inFiles.has(name) && !served.has(name)) store.drop(name);
      for (const name of served) if (!store.named().has(name)) store.fault(name, NOT_ANSWERED);
      named.want(inFiles);
    },
    take(added, removed) {
      const refused: { name: string; reason: string }[] = [];
      for (const { name, bytes } of added) {
        try {
          // Nobody wants it any more, or it has never been asked for.
          if (store.named().has(name)) store.put(name, readServedSecret(name, bytes));
          else logger.warn({ name }, 'a secret came that was not asked for');
        } catch (error) {
          const reason = errorMessage(error);
          store.fault(name, reason);
          refused.push({ name, reason });
        }
      }
      // As in Envoy, what is in use is not taken away: whoever names it decides when it ends.
      for (const name of removed) if (store.named().has(name)) store.fault(name, NOT_SERVED);
      return refused;
    },
    close: () => named.close(),
  };
}
