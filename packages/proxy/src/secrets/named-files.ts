/**
 * Certificates and roots that TLS settings name by file: `file-root:FILE`, `file-root:system` and `file-cert:CHAIN~KEY`.
 * Istio's agent serves such secrets to an Envoy; here the proxy reads them, from folders that its own flags allow.
 */
import { access } from 'node:fs/promises';
import { type Clock, errorMessage, type Logger } from '@weft/kit';
import type { TlsSecret } from '../ports.ts';
import { readCertificate, readRoots } from './pem.ts';
import { watchFiles } from './watched-files.ts';

export interface NamedFilesDeps {
  /** Folders that may be read. */
  readonly folders: readonly string[];
  /** What `system` stands for; undefined: where this system has its roots. */
  readonly systemRoots: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onSecret: (name: string, secret: TlsSecret) => void;
  /** What was good before stands. */
  readonly onFault: (name: string, reason: string) => void;
}

export interface NamedFiles {
  /** Reads these, and watches no others. */
  want(names: ReadonlySet<string>): void;
  close(): void;
}

const MAX_BYTES = 1024 * 1024;
const CERTIFICATE = 'file-cert:';
const ROOTS = 'file-root:';
const SYSTEM = 'system';

/** Where distributions keep the roots that they trust. */
const SYSTEM_ROOTS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

export const namesFile = (name: string): boolean => name.startsWith(CERTIFICATE) || name.startsWith(ROOTS);

export function createNamedFiles(deps: NamedFilesDeps): NamedFiles {
  const watched = new Map<string, { close(): void }>();
  return {
    want(names) {
      for (const [name, one] of watched) {
        if (names.has(name)) continue;
        one.close();
        watched.delete(name);
      }
      for (const name of names) if (!watched.has(name)) watched.set(name, watch(name, deps));
    },
    close() {
      for (const one of watched.values()) one.close();
      watched.clear();
    },
  };
}

function watch(name: string, deps: NamedFilesDeps): { close(): void } {
  let closed = false;
  let opened: { close(): void } | undefined;
  const fault = (reason: string): void => {
    if (closed) return;
    deps.logger.warn({ name, reason }, 'a secret can not be read');
    deps.onFault(name, reason);
  };
  void begin(name, deps, fault, () => closed).then(
    (one) => {
      opened = one;
      if (closed) one?.close();
    },
    (error: unknown) => fault(errorMessage(error)),
  );
  return {
    close() {
      closed = true;
      opened?.close();
    },
  };
}

async function begin(
  name: string,
  deps: NamedFilesDeps,
  onFault: (reason: string) => void,
  isClosed: () => boolean,
): Promise<{ close(): void } | undefined> {
  const paths = name.slice(name.indexOf(':') + 1).split('~');
  const isCertificate = name.startsWith(CERTIFICATE);
  if (paths.length !== (isCertificate ? 2 : 1) || paths.includes('')) {
    onFault(`"${name}" is neither ${ROOTS}FILE nor ${CERTIFICATE}CHAIN~KEY`);
    return undefined;
  }
  const isSystem = !isCertificate && paths[0] === SYSTEM;
  const files = isSystem ? [deps.systemRoots ?? (await findSystemRoots())] : paths;
  return watchFiles(files, {
    clock: deps.clock,
    // The system's roots were not chosen by who sent the configuration.
    ...(isSystem ? {} : { within: deps.folders }),
    maxBytes: MAX_BYTES,
    onTexts([first = '', second = '']) {
      if (isClosed()) return;
      const [chain = '', key = ''] = files;
      deps.onSecret(name, isCertificate ? readCertificate(first, second, chain, key) : readRoots(first, chain));
      deps.logger.info({ name }, 'a secret was read');
    },
    onFault,
  });
}

async function findSystemRoots(): Promise<string> {
  for (const path of SYSTEM_ROOTS) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new Error('this system has no file of roots where they usually are: --system-roots names one');
}
