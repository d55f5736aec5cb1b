import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { DownstreamConnection } from '../http/streams.ts';
import type { ProxyHeader } from '../proxy-protocol/header.ts';
import type { OriginalDestination } from '../sockets/native-sockets.ts';
import type { PeerIdentity } from '../tls/downstream-tls.ts';
import type { FirstBytes } from './first-bytes.ts';

/** What others know of a connection. */
export interface Known {
  /** Where the client was going, when something redirected it here. */
  readonly original?: OriginalDestination | undefined;
  /** What a proxy in front said of its own client. */
  readonly client?: ProxyHeader['client'];
  readonly abuse?: (() => void) | undefined;
}

export function describe(
  id: number,
  socket: Socket,
  facts: FirstBytes,
  { original, client, abuse }: Known = {},
): DownstreamConnection {
  return {
    id,
    remoteAddress: client?.source.address ?? plainAddress(socket.remoteAddress),
    remotePort: client?.source.port ?? socket.remotePort ?? 0,
    directAddress: plainAddress(socket.remoteAddress),
    directPort: socket.remotePort ?? 0,
    localAddress: client?.destination.address ?? original?.address ?? plainAddress(socket.localAddress),
    localPort: client?.destination.port ?? original?.port ?? socket.localPort ?? 0,
    directLocalAddress: plainAddress(socket.localAddress),
    directLocalPort: socket.localPort ?? 0,
    redirected: original !== undefined,
    filterChain: '',
    secure: false,
    peerPrincipal: '',
    ownPrincipal: '',
    peerFingerprint: '',
    peerSubject: '',
    requestedServerName: facts.serverName,
    peerWorkload: '',
    peerKey: '',
    abuse,
  };
}

/** IPv4 addresses on a dual-stack socket come as `::ffff:1.2.3.4`. */
export const plainAddress = (address: string | undefined): string => (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');

export const secured = (
  connection: DownstreamConnection,
  peer: PeerIdentity,
  ownPrincipal: string,
  socket: TLSSocket,
): DownstreamConnection => ({
  ...connection,
  secure: true,
  peerPrincipal: peer.principal,
  ownPrincipal,
  peerFingerprint: peer.fingerprint,
  peerSubject: peer.subject,
  transport: peer.transport,
  requestedServerName: typeof socket.servername === 'string' ? socket.servername : connection.requestedServerName,
  peerKey: peer.principal,
});
