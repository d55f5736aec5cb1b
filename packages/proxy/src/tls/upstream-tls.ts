import { isIP } from 'node:net';
import {
  checkServerIdentity,
  type ConnectionOptions,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { UpstreamTlsContext } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { SECRET_DEFAULT } from '@weft/contracts';
import type { RegexEngine } from '@weft/evaluator';
import type { HostFacts } from '../upstream/host-facts.ts';
import { CARRIED_ALPN } from '../http2/carried.ts';
import type { Speaks } from '../upstream/pool/speaks.ts';
import { CertificateBook } from './certificate-book.ts';
import { givesOnlyBytes } from './peer-certificate.ts';
import {
  buildContext,
  compileMaterial,
  isExpected,
  type LiveSecrets,
  NOT_SPOKEN,
  type TlsMaterial,
} from './tls-material.ts';
import { keptSession } from './tls-session.ts';

/** The certificate is good, but it is somebody else's. */
export class IdentityMismatchError extends Error {}

const MAX_KEPT_SESSIONS = 256;
// Then the peer has to show its certificate again.
const MAX_SESSION_MS = 10 * 60_000;
// Between sidecars the protocol inside is told by ALPN, as Istio's istio.alpn filter does.
const MESH_ALPN = {
  http1: ['istio-http/1.1', 'istio', 'http/1.1'],
  http2: ['istio-h2', 'istio', 'h2'],
  either: ['istio-h2', 'istio-http/1.1', 'istio', 'h2', 'http/1.1'],
  carried: [CARRIED_ALPN, 'istio-http/1.1', 'istio', 'http/1.1'],
} as const;

/** TLS towards the hosts of one cluster: what is shown, what is accepted, and the sessions that may be resumed. */
export class UpstreamTls {
  readonly #material: TlsMaterial;
  readonly #sni: string;
  readonly #sanValidation: boolean;
  readonly #secrets: LiveSecrets;
  readonly #alpn: string[];
  /** Every connection makes a whole handshake where it is false (`max_session_keys: 0`). */
  readonly #resumes: boolean;
  /** By host; they end with the secrets under which they were made, since a resumed session is not verified again. */
  readonly #sessions = new Map<string, KeptSession>();
  /** By connection; what was read once holds for all of it. */
  readonly #peers = new WeakMap<TLSSocket, string>();
  readonly #certificates = new CertificateBook();
  /** Peers of a mesh know who connects: they gain nothing by a new ticket for each connection (RFC 8446 §C.4). */
  readonly #reuses: boolean;
  #context: SecureContext | string = '';
  #generation = 0;

  constructor(message: UpstreamTlsContext, options: UpstreamTlsOptions) {
    const { secrets, regex, resource, speaks, sanValidation } = options;
    this.#material = compileMaterial(message.commonTlsContext, regex, resource);
    this.#sni = message.sni;
    this.#sanValidation = sanValidation;
    this.#resumes = message.maxSessionKeys !== 0;
    this.#reuses = this.#material.certificate === SECRET_DEFAULT;
    this.#secrets = secrets;
    this.#alpn = alpnFor(speaks, this.#material.alpn);
  }

  /** @param asked name that the host is asked for, where requests say it; else that of the settings. @returns the reason when the secrets are not there. */
  connectOptions(facts: HostFacts, nowMs: number, asked = ''): ConnectionOptions | string {
    const context = this.#currentContext();
    if (typeof context === 'string') return context;
    const name = asked === '' ? this.#sni : asked;
    const options: ConnectionOptions = {
      secureContext: context,
      rejectUnauthorized: true,
      checkServerIdentity: (_, certificate) => this.#check(certificate, name),
      ALPNProtocols: this.#alpn,
    };
    options.servername = isIP(name) === 0 ? name : '';
    const kept = this.#kept(facts, nowMs, asked);
    if (kept !== undefined) options.session = kept.session;
    return options;
  }

  /** Before the handshake of a socket that was made with `connectOptions`. */
  watch(socket: TLSSocket, facts: HostFacts, nowMs: number, asked = ''): void {
    if (!this.#readsNames) givesOnlyBytes(socket);
    if (!this.#resumes) return;
    const key = sessionKey(facts, asked);
    const generation = this.#generation;
    const offered = this.#kept(facts, nowMs, asked);
    if (offered === undefined || !this.#reuses) {
      socket.on('session', (session: Buffer) => {
        // The host says when it comes: other roots may be in force by then, which it was not held to.
        if (this.#generation !== generation) return;
        const resumed = socket.isSessionReused() ? offered : undefined;
        const peer = this.peerOf(socket, resumed?.peer ?? '');
        this.keepSession(facts, { session, peer, verifiedMs: resumed?.verifiedMs ?? nowMs }, asked);
      });
    } else {
      // Who has forgotten the session gets a new one with the next connection.
      socket.once('secureConnect', () => {
        if (!socket.isSessionReused() && this.#sessions.get(key) === offered) this.#sessions.delete(key);
      });
    }
  }

  /** Who the session to this host was made with; a resumed connection has that peer and shows no certificate. */
  resumablePeer(facts: HostFacts, nowMs: number, asked = ''): string {
    return this.#kept(facts, nowMs, asked)?.peer ?? '';
  }

  #kept(facts: HostFacts, nowMs: number, asked: string): KeptSession | undefined {
    const kept = this.#sessions.get(sessionKey(facts, asked));
    return kept === undefined || nowMs - kept.verifiedMs >= MAX_SESSION_MS ? undefined : kept;
  }

  keepSession(facts: HostFacts, { session, peer, verifiedMs }: KeptSession, asked = ''): void {
    if (!this.#resumes || this.#generation !== this.#secrets.generation) return;
    if (this.#sessions.size >= MAX_KEPT_SESSIONS) this.#sessions.clear();
    this.#sessions.set(sessionKey(facts, asked), { session: keptSession(session), peer, verifiedMs });
  }

  /** SPIFFE id of the connected, verified peer; empty when its certificate has none. @param resumed see `resumablePeer`. */
  peerOf(socket: TLSSocket, resumed: string): string {
    // Asked for each session of a connection too, and reading a certificate costs as much as the rest of a handshake.
    const known = this.#peers.get(socket);
    if (known !== undefined) return known;
    const peer = this.#readPeer(socket, resumed);
    if (peer !== '') this.#peers.set(socket, peer);
    return peer;
  }

  #readPeer(socket: TLSSocket, resumed: string): string {
    // Node gives null once the socket is destroyed, whatever its types say.
    const certificate = socket.getPeerCertificate() as PeerCertificate | null;
    if (certificate?.raw !== undefined)
      return this.#certificates.read(certificate.raw).names.uris.find((uri) => uri.startsWith('spiffe://')) ?? '';
    return socket.isSessionReused() ? resumed : '';
  }

  #currentContext(): SecureContext | string {
    if (this.#generation !== this.#secrets.generation) {
      this.#sessions.clear();
      this.#context = buildContext(this.#material, this.#secrets);
      this.#generation = this.#secrets.generation;
    }
    return this.#context;
  }

  #check(certificate: PeerCertificate, name: string): Error | undefined {
    const { peerNames } = this.#material;
    if (peerNames.length === 0) return this.#readsNames ? checkName(certificate, name) : undefined;
    const { raw } = certificate as Partial<PeerCertificate>;
    if (raw === undefined) return new IdentityMismatchError('no certificate was shown');
    const { names } = this.#certificates.read(raw);
    const { uris, dns } = names;
    // A workload has exactly one identity (SPIFFE X509-SVID §2); two would let it pick.
    if (uris.length > 1) return new IdentityMismatchError('the certificate has more than one URI name');
    return isExpected(peerNames, names)
      ? undefined
      : new IdentityMismatchError(`the certificate names ${uris[0] ?? dns[0] ?? 'nobody'}`);
  }

  /** Whether Node's own check of names is wanted, which needs all that Node reads of a certificate. */
  get #readsNames(): boolean {
    return this.#sanValidation && this.#material.peerNames.length === 0;
  }
}

function checkName(certificate: PeerCertificate, name: string): Error | undefined {
  if (name === '') return new IdentityMismatchError('auto_san_validation is set, and no sni that it could be held to');
  const wrong = checkServerIdentity(name, certificate);
  return wrong && new IdentityMismatchError(wrong.message);
}

/** What a context is made with. */
export interface UpstreamTlsOptions {
  readonly secrets: LiveSecrets;
  readonly regex: RegexEngine;
  /** For refusals. */
  readonly resource: string;
  readonly speaks: Speaks | 'tcp';
  /** Peers that no rule names have to be who was asked for (`auto_san_validation`). */
  readonly sanValidation: boolean;
}

function alpnFor(speaks: Speaks | 'tcp', configured: readonly string[]): string[] {
  const offered = configured.filter((name) => !NOT_SPOKEN.has(name));
  switch (speaks) {
    case 'tcp':
      return offered.filter((name) => name !== 'h2');
    case 'http1':
    case 'carried':
      return configured.includes('istio') ? [...MESH_ALPN[speaks]] : offered.filter((name) => name !== 'h2');
    case 'http2':
      return configured.includes('istio') ? [...MESH_ALPN.http2] : ['h2'];
    case 'either':
      return configured.includes('istio') ? [...MESH_ALPN.either] : ['h2', 'http/1.1'];
  }
}

interface KeptSession {
  readonly session: Buffer;
  readonly peer: string;
  /** When the peer showed its certificate. */
  readonly verifiedMs: number;
}

/** A session resumed under another name would pass for its owner. */
const sessionKey = (facts: HostFacts, asked: string): string => `${facts.address}:${facts.port} ${asked}`;
