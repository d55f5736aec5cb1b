// What logs can say of a TLS connection.
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { readSubjectAltNames, type SubjectAltNames } from './subject-alt-names.ts';
import { sessionIdOf } from './tls-session.ts';

export interface TransportFacts {
  /** `TLSv1.3`. */
  readonly version: string;
  /** OpenSSL's name. */
  readonly cipher: string;
  /** Lower-case hex; empty where the session has none. */
  readonly sessionId: string;
  /** Of the key exchange, by its name in TLS; empty where Node does not tell: at the server's end. */
  readonly group: string;
  /** SNI; empty where none was sent. */
  readonly serverName: string;
  /** undefined where the other end showed none, or a resumed session does not tell. */
  readonly peer: CertificateFacts | undefined;
  readonly local: CertificateFacts | undefined;
}

/** @returns undefined for a plain connection, and for one that is closed already. */
export function readTransport(socket: Socket): TransportFacts | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const version = socket.getProtocol();
  if (version === null) return undefined;
  const session = socket.getSession();
  return {
    version,
    cipher: socket.getCipher().name,
    sessionId: session === undefined ? '' : sessionIdOf(session),
    group: groupOf(socket),
    serverName: serverNameOf(socket),
    peer: factsOf(socket.getPeerCertificate()),
    local: factsOf(socket.getCertificate()),
  };
}

const GROUPS: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
]);

/** Node gives null or an empty object where it knows none, whatever its types say. */
function groupOf(socket: TLSSocket): string {
  const info: unknown = socket.getEphemeralKeyInfo();
  const name: unknown = typeof info === 'object' && info !== null && 'name' in info ? info.name : undefined;
  return typeof name === 'string' ? (GROUPS.get(name) ?? name) : '';
}

/** A client's own is told by its handle alone. */
function serverNameOf(socket: TLSSocket): string {
  const { _handle: handle } = socket as unknown as { readonly _handle: { getServername?: () => unknown } | null };
  const name = handle?.getServername?.();
  return typeof name === 'string' ? name : '';
}

/** Node gives null or an empty object where there is none, whatever its types say. */
function factsOf(certificate: unknown): CertificateFacts | undefined {
  const raw = typeof certificate === 'object' && certificate !== null && 'raw' in certificate && certificate.raw;
  return Buffer.isBuffer(raw) ? new CertificateFacts(raw) : undefined;
}

/** A certificate, read when something of it is asked for. */
export class CertificateFacts {
  readonly #der: Buffer;
  #parsed: X509Certificate | undefined;
  #names: SubjectAltNames | undefined;
  #subject: string | undefined;
  #sha256: string | undefined;
  #validToMs: number | undefined;

  constructor(der: Buffer) {
    this.#der = der;
  }

  get #certificate(): X509Certificate {
    this.#parsed ??= new X509Certificate(this.#der);
    return this.#parsed;
  }

  get names(): SubjectAltNames {
    this.#names ??= readSubjectAltNames(this.#der);
    return this.#names;
  }
  get subject(): string {
    this.#subject ??= distinguishedName(this.#certificate.subject);
    return this.#subject;
  }
  get issuer(): string {
    return distinguishedName(this.#certificate.issuer);
  }
  get serial(): string {
    return this.#certificate.serialNumber.toLowerCase();
  }
  get sha1(): string {
    return hex(this.#certificate.fingerprint);
  }
  get sha256(): string {
    this.#sha256 ??= hex(this.#certificate.fingerprint256);
    return this.#sha256;
  }
  /** Epoch milliseconds. */
  get validFromMs(): number {
    return Date.parse(this.#certificate.validFrom);
  }
  get validToMs(): number {
    this.#validToMs ??= Date.parse(this.#certificate.validTo);
    return this.#validToMs;
  }
  get pem(): string {
    return this.#certificate.toString();
  }
}

const hex = (fingerprint: string): string => fingerprint.replaceAll(':', '').toLowerCase();

/** RFC 2253 §2.1: the last part first. Node has each part, escaped, in a line of its own. */
const distinguishedName = (lines: string | undefined): string => (lines ?? '').split('\n').toReversed().join(',');
