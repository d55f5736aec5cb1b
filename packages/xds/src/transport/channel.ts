/** The client's side of a connection to the control plane: TLS with the server known by its name, or none on this machine. */
import { createSecureContext } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { CONTROL_PLANE_SERVER_NAME, MESH_TLS } from '@weft/contracts';
import { expectNamed, expectServer } from './peer.ts';

export type ChannelTarget = SecureTarget | PlainTarget;

/** A server that speaks without TLS, as Istio's agent and istiod do to callers on their own machine. */
export interface PlainTarget {
  /** `host:port` or `unix:/path`; that it is of this machine is the caller's to know. */
  readonly address: string;
  readonly plaintext: true;
}

/** How to reach and recognize a server of the control plane, and who the caller is. */
export interface SecureTarget {
  /** `host:port` or `unix:/path`. */
  readonly address: string;
  /** Roots that the server's chain must lead to, PEM. */
  readonly rootsPem: string;
  /** The server must be exactly this: a SPIFFE id, or a DNS name that its certificate has. */
  readonly serverId: string;
  /** The caller's own certificate, leaf first, and key; left out where a token proves it. */
  readonly own?: { readonly certChainPem: string; readonly privateKeyPem: string };
  /** Sent with each call, as a bearer token. */
  readonly token?: string;
}

/** A client with a connection of its own: closing it closes the connection. Receives messages of any size. */
export function createGrpcClient(target: ChannelTarget): grpc.Client {
  if ('plaintext' in target) return new grpc.Client(target.address, grpc.credentials.createInsecure(), CHANNEL);
  const own = target.own ? { key: target.own.privateKeyPem, cert: target.own.certChainPem } : {};
  const context = createSecureContext({ ...MESH_TLS, ca: target.rootsPem, ...own });
  const { serverId } = target;
  const bySpiffe = serverId.startsWith(SPIFFE);
  const name = bySpiffe ? CONTROL_PLANE_SERVER_NAME : serverId;
  const credentials = grpc.credentials.createFromSecureContext(context, {
    checkServerIdentity: bySpiffe ? expectServer(serverId) : expectNamed(serverId),
  });
  return new grpc.Client(target.address, credentials, {
    ...CHANNEL,
    'grpc.ssl_target_name_override': name,
    'grpc.default_authority': name,
  });
}

/** What goes along with each call. */
export function callMetadata(target: ChannelTarget): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (!('plaintext' in target) && target.token !== undefined) metadata.set('authorization', `Bearer ${target.token}`);
  return metadata;
}

const SPIFFE = 'spiffe://';

const CHANNEL: grpc.ClientOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};
