/** TLS of a gRPC server whose certificate and roots can change while it serves. */
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { MESH_TLS } from '@weft/contracts';

/** PEM texts. */
export interface ServerTls {
  readonly privateKeyPem: string;
  /** Leaf first. */
  readonly certChainPem: string;
  /** One or more roots that client certificates must lead to. */
  readonly rootsPem: string;
}

export interface RotatingCredentials {
  readonly credentials: grpc.ServerCredentials;
  /** For connections from now on; open ones stay. Sessions made before can not be resumed. @throws when key and certificate do not fit; the former ones stay. */
  update(tls: ServerTls): void;
}

/** @param clientCertificate `required`: mutual TLS; a connection without a good one is refused in the handshake. */
export function createRotatingCredentials(
  tls: ServerTls,
  clientCertificate: 'required' | 'none' = 'required',
): RotatingCredentials {
  const mutual = clientCertificate === 'required';
  const credentials = new Credentials({ requestCert: mutual, rejectUnauthorized: mutual }, contextOptions(tls));
  return {
    credentials,
    update(next) {
      const options = contextOptions(next);
      // grpc-js only logs what it can not use; this throws.
      createSecureContext(options);
      credentials.replace(options);
    },
  };
}

const contextOptions = (tls: ServerTls): SecureContextOptions => ({
  ...MESH_TLS,
  key: tls.privateKeyPem,
  cert: tls.certChainPem,
  ca: tls.rootsPem,
});

class Credentials extends grpc.ServerCredentials {
  replace(options: SecureContextOptions): void {
    this.updateSecureContextOptions(options);
  }

  override _equals(other: grpc.ServerCredentials): boolean {
    return this === other;
  }
}
