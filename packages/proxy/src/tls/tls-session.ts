// What OpenSSL writes of a session (SSL_SESSION_ASN1): who the peer was, and what is to be kept of it.
import { der } from '@weft/contracts';
import { childrenOf, DER, type Element, elementAt } from './der.ts';

const PEER = 0xa3; // [3] EXPLICIT Certificate
const TLS_1_3 = Buffer.of(0x03, 0x04);

// Node 24 puts the server's name in front: this, its length in two bytes, and the name.
const NAMED = Buffer.from('\0nodejs:tls:session:1\0');

/** Lower-case hex; empty where the session has none. */
export function sessionIdOf(session: Buffer): string {
  const id = partsOf(session)[3];
  return id?.tag === DER.octetString ? session.toString('hex', id.start, id.end) : '';
}

/** DER of the certificate that the peer showed when the session began; undefined where the session does not hold it. */
export function certificateOf(session: Buffer): Buffer | undefined {
  const peer = partsOf(session).find(({ tag }) => tag === PEER);
  return peer === undefined ? undefined : session.subarray(peer.start, peer.end);
}

/**
 * The session as it is kept for connections to come: without the peer's certificate, which OpenSSL would decode for each of
 * them. Before TLS 1.3 Node wants it to be there.
 */
export function keptSession(session: Buffer): Buffer {
  const parts = partsOf(session);
  const version = parts[1];
  if (version?.tag !== DER.integer || !TLS_1_3.equals(session.subarray(version.start, version.end))) return session;
  let at = wholeOf(session)?.start ?? 0;
  const kept: Uint8Array[] = [];
  for (const { tag, end } of parts) {
    if (tag !== PEER) kept.push(session.subarray(at, end));
    at = end;
  }
  return Buffer.concat([session.subarray(0, startOf(session)), der.sequence(...kept)]);
}

function partsOf(session: Buffer): Element[] {
  const whole = wholeOf(session);
  return whole === undefined ? [] : childrenOf(session, whole);
}

const wholeOf = (session: Buffer): Element | undefined => elementAt(session, startOf(session), session.length);

function startOf(session: Buffer): number {
  if (session.length < NAMED.length + 2 || !session.subarray(0, NAMED.length).equals(NAMED)) return 0;
  return NAMED.length + 2 + session.readUInt16BE(NAMED.length);
}
