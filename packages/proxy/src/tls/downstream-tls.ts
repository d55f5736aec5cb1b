import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { DownstreamTlsContext } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { parseSpiffeId, type ReasonCode, SECRET_DEFAULT } from '@weft/contracts';
import { ConfigRejectedError, type RegexEngine } from '@weft/evaluator';
import { errorCode, errorMessage } from '@weft/kit';
import { CARRIED_ALPN } from '../http2/carried.ts';
import type { TimerQueue } from '../timers/timer-queue.ts';
import { CertificateBook } from './certificate-book.ts';
import type { HandshakeTurn, HandshakeTurns } from './handshake-turns.ts';
import { certificateBytes } from './peer-certificate.ts';
import { readSubjectAltNames } from './subject-alt-names.ts';
import { readTransport, type TransportFacts } from './transport-facts.ts';
import {
  compileMaterial,
  isExpected,
  type LiveSecrets,
  NOT_SPOKEN,
  secureOptions,
  type TlsMaterial,
} from './tls-material.ts';

export interface PeerIdentity {
  /** SPIFFE or other URI; empty when the client showed no certificate. */
  readonly principal: string;
  readonly fingerprint: string;
  readonly subject: string;
  readonly transport?: TransportFacts | undefined;
}

export interface TlsTerminatorEvents {
  /** Whether a log asks what the connection is like. */
  wantsTransport(): boolean;
  /** @param accepted what `accept` was given; where Node does not tell, the TLS socket itself. */
  onSecure(socket: TLSSocket, peer: PeerIdentity, accepted: Socket): void;
  /** The handshake failed, or the client is not who it must be. @param socket as `accepted`. */
  onRefused(socket: Socket, refusal: TlsRefusal): void;
}

export interface TlsRefusal {
  readonly reason: Extract<ReasonCode, 'plaintext-refused' | 'downstream-tls-failure'>;
  readonly detail: string;
}

const tlsFailure = (detail: string): TlsRefusal => ({ reason: 'downstream-tls-failure', detail });

// What OpenSSL says when the first bytes are no TLS record: some other protocol, most often HTTP.
const NOT_TLS = new Set(['ERR_SSL_HTTP_REQUEST', 'ERR_SSL_HTTPS_PROXY_REQUEST', 'ERR_SSL_WRONG_VERSION_NUMBER']);

const { SSL_OP_NO_TICKET } = constants;
const ANONYMOUS: PeerIdentity = { principal: '', fingerprint: '', subject: '' };

/**
 * Ends TLS for the connections of one filter chain. Node's TLS server does the handshakes; it never listens, the
 * listener hands it accepted sockets. New secrets are put in place for connections to come.
 */
export class TlsTerminator {
  readonly #material: TlsMaterial;
  readonly #secrets: LiveSecrets;
  readonly #requireClient: boolean;
  readonly #requireSni: boolean;
  /** Whether clients may go on from a handshake that they made before (`disable_stateless_session_resumption`). */
  readonly #tickets: boolean;
  readonly #events: TlsTerminatorEvents;
  readonly #server: Server;
  readonly #turns: HandshakeTurns;
  readonly #timers: Pick<TimerQueue, 'now'>;
  /** By accepted socket. */
  readonly #turnOf = new WeakMap<Socket, HandshakeTurn>();
  readonly #certificates = new CertificateBook();
  #generation = 0;
  #unready = 'TLS error: Secret is not supplied by SDS';

  constructor(
    message: DownstreamTlsContext,
    options: { readonly http1Only: boolean; readonly carries: boolean; readonly handshakeTimeoutMs: number },
    deps: {
      readonly secrets: LiveSecrets;
      readonly regex: RegexEngine;
      readonly handshakes: HandshakeTurns;
      readonly timers: Pick<TimerQueue, 'now'>;
    },
    resource: string,
    events: TlsTerminatorEvents,
  ) {
    this.#material = compileMaterial(message.commonTlsContext, deps.regex, resource);
    if (this.#material.certificate === undefined)
      throw new ConfigRejectedError(resource, 'common_tls_context: no certificate is set');
    const { sessionTicketKeysType: tickets } = message;
    this.#tickets = tickets.case !== 'disableStatelessSessionResumption' || !tickets.value;
    this.#secrets = deps.secrets;
    this.#turns = deps.handshakes;
    this.#timers = deps.timers;
    this.#events = events;
    this.#requireSni = message.requireSni ?? false;
    this.#requireClient = message.requireClientCertificate ?? false;
    if (this.#requireClient && this.#material.roots === undefined) {
      throw new ConfigRejectedError(resource, 'require_client_certificate needs a validation context with roots');
    }
    // A client that offers nothing of what is spoken is refused by the handshake.
    const spoken = this.#material.alpn.filter((name) => !NOT_SPOKEN.has(name) && (!options.http1Only || name !== 'h2'));
    if (options.carries) spoken.unshift(CARRIED_ALPN);
    const choosesAlpn = this.#material.alpn.length > 0;
    this.#server = createServer({
      requestCert: this.#material.roots !== undefined,
      rejectUnauthorized: this.#material.roots !== undefined && this.#requireClient,
      handshakeTimeout: options.handshakeTimeoutMs,
      pauseOnConnect: true,
      ...(choosesAlpn
        ? { ALPNCallback: ({ protocols }: { protocols: string[] }) => chooseAlpn(protocols, spoken) }
        : {}),
    });
    this.#server.on('tlsClientError', (error, socket) => {
      const { authorizationError } = socket;
      const cause: unknown = authorizationError ?? error;
      const detail = errorMessage(cause);
      const plain = NOT_TLS.has(errorCode(error) ?? '');
      this.#events.onRefused(rawOf(socket), plain ? { reason: 'plaintext-refused', detail } : tlsFailure(detail));
    });
    this.#server.on('secureConnection', (socket) => this.#onSecure(socket));
    this.refresh();
  }

  /** @returns false when there is no certificate yet, or too many clients wait: nothing is answered then. */
  accept(raw: Socket): boolean {
    this.refresh();
    if (this.#unready !== '') {
      this.#events.onRefused(raw, tlsFailure(this.#unready));
      raw.destroy();
      return false;
    }
    // A client that leaves during the handshake is gone at once; afterwards each direction ends on its own.
    raw.allowHalfOpen = false;
    const turn = this.#turns.begin(
      () => this.#server.emit('connection', raw),
      () => raw.bytesRead > 0,
    );
    if (turn === undefined) {
      this.#events.onRefused(raw, tlsFailure('too many clients wait for their handshake'));
      raw.destroy();
      return false;
    }
    this.#turnOf.set(raw, turn);
    raw.once('close', turn.end);
    return true;
  }

  /** URI of the certificate that clients are shown; empty when unknown. */
  ownPrincipal = '';

  refresh(): void {
    if (this.#generation === this.#secrets.generation) return;
    this.#generation = this.#secrets.generation;
    const options = secureOptions(this.#material, this.#secrets);
    if (typeof options === 'string') {
      this.#unready = options;
      return;
    }
    try {
      this.#server.setSecureContext({ ...options, ...(this.#tickets ? {} : { secureOptions: SSL_OP_NO_TICKET }) });
      this.ownPrincipal = typeof options.cert === 'string' ? principalOfPem(options.cert) : '';
      this.#unready = '';
    } catch (error) {
      this.#unready = `TLS error: ${errorMessage(error)}`;
    }
  }

  close(): void {
    this.#server.removeAllListeners();
  }

  #onSecure(socket: TLSSocket): void {
    this.#turnOf.get(rawOf(socket))?.end();
    const peer = this.#requireSni && !isNamed(socket) ? 'the client names no server (SNI)' : this.#identify(socket);
    if (typeof peer === 'string') {
      this.#events.onRefused(rawOf(socket), tlsFailure(peer));
      socket.destroy();
      return;
    }
    socket.allowHalfOpen = true;
    const told = this.#events.wantsTransport() ? { ...peer, transport: readTransport(socket) } : peer;
    this.#events.onSecure(socket, told, rawOf(socket));
  }

  #identify(socket: TLSSocket): PeerIdentity | string {
    if (!socket.authorized) return this.#requireClient ? 'no client certificate' : ANONYMOUS;
    const raw = certificateBytes(socket);
    if (raw === undefined) return this.#requireClient ? 'no client certificate' : ANONYMOUS;
    const certificate = this.#certificates.read(raw);
    // OpenSSL looks at it in the first handshake alone.
    if (socket.isSessionReused() && certificate.validToMs <= this.#timers.now())
      return 'the client certificate of a resumed session has expired';
    const { names } = certificate;
    const { uris, dns } = names;
    const isMesh = this.#material.certificate === SECRET_DEFAULT;
    const [uri = ''] = uris;
    if (isMesh && (uris.length !== 1 || parseSpiffeId(uri) === undefined)) {
      return 'the client certificate does not hold exactly one SPIFFE id';
    }
    const { peerNames } = this.#material;
    if (peerNames.length > 0 && !isExpected(peerNames, names)) {
      return `the client certificate names ${uri === '' ? 'nobody' : uri}`;
    }
    return {
      principal: uri === '' ? (dns[0] ?? '') : uri,
      fingerprint: certificate.sha256,
      subject: certificate.subject,
    };
  }
}

/** Node says false where there is no SNI, whatever its types say. */
const isNamed = ({ servername }: { readonly servername?: unknown }): boolean =>
  typeof servername === 'string' && servername !== '';

/** The socket that was accepted. A refused TLS socket knows no address any more, and only Node's own field leads back. */
const rawOf = (socket: TLSSocket & { readonly _parent?: Socket }): Socket => socket._parent ?? socket;

/** Ours first; else a name of Istio's own, which only says who is calling. @returns undefined to refuse. */
function chooseAlpn(offered: readonly string[], spoken: readonly string[]): string | undefined {
  return (
    spoken.find((name) => offered.includes(name)) ??
    offered.find((name) => name === 'istio-http/1.1' || name === 'istio' || name === 'istio-http/1.0') ??
    offered.find((name) => name === 'http/1.1')
  );
}

function principalOfPem(pem: string): string {
  const [, body] = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(pem) ?? [];
  return body === undefined ? '' : (readSubjectAltNames(Buffer.from(body, 'base64')).uris[0] ?? '');
}
