// A peer's certificate as bytes. All that Node makes of one costs as much as the rest of a handshake: `getPeerCertificate`
// turns everything in it into an object, `getPeerX509Certificate` has OpenSSL decode its key once more, and takes a server's
// certificate out of the chain besides, so that whoever asks next gets another.
import { type PeerCertificate, TLSSocket } from 'node:tls';
import { certificateOf } from './tls-session.ts';

/** @returns undefined where the peer showed none, and for a socket that is gone. */
export function certificateBytes(socket: TLSSocket): Buffer | undefined {
  // Whatever its types say, Node gives null for a socket that is gone.
  const session = socket.getSession() as Buffer | null | undefined;
  const raw = session === null || session === undefined ? undefined : certificateOf(session);
  return raw ?? (TLSSocket.prototype.getPeerCertificate.call(socket) as Partial<PeerCertificate> | null)?.raw;
}

/**
 * Lets a client's socket give no more of its peer's certificate than its bytes: Node reads it at the end of a handshake, with
 * all of its chain, for `checkServerIdentity`.
 */
export function givesOnlyBytes(socket: TLSSocket): void {
  let known: PeerCertificate | undefined;
  socket.getPeerCertificate = (() => (known ??= bytesOf(socket))) as TLSSocket['getPeerCertificate'];
}

/** As Node: an empty object where there is none. */
function bytesOf(socket: TLSSocket): PeerCertificate {
  const raw = certificateBytes(socket);
  return (raw === undefined ? {} : { raw }) as PeerCertificate;
}
