import type { SecureContextOptions } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { MESH_TLS, type WorkloadSecret } from '@weft/contracts';
import { atWallTime, errorMessage, type Clock, type Logger, type Random, type Timer } from '@weft/kit';

export type ClientCertificates = 'required' | 'none';

export interface ServingCredentialsDeps {
  /** Issues a new key and certificate for the server itself. */
  readonly renew: () => WorkloadSecret;
  readonly rootsPem: () => string;
  readonly clientCertificates: ClientCertificates;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface ServingCredentials {
  readonly credentials: grpc.ServerCredentials;
  close(): void;
}

const RETRY_MS = 5_000;

/** TLS for a gRPC server of the control plane, renewed at half-life without closing a connection. */
export function createServingCredentials(deps: ServingCredentialsDeps): ServingCredentials {
  const { clock, random, logger } = deps;
  let timer: Timer | undefined;
  let closed = false;
  const current = (): SecureContextOptions => {
    const secret = deps.renew();
    const halfLifeMs = (secret.expiresAt - clock.now()) * (0.5 - random.next() * 0.01);
    timer = atWallTime(clock, clock.now() + halfLifeMs, update);
    return {
      ...MESH_TLS,
      key: secret.privateKeyPem,
      cert: secret.certChainPem,
      ca: deps.rootsPem(),
    };
  };
  const mutual = deps.clientCertificates === 'required';
  const credentials = new RotatingCredentials({ requestCert: mutual, rejectUnauthorized: mutual }, current());
  function update(): void {
    if (closed) return;
    try {
      credentials.replace(current());
      logger.info({}, 'serving certificate renewed');
    } catch (error) {
      logger.error({ error: errorMessage(error) }, 'serving certificate could not be renewed');
      timer = clock.after(RETRY_MS, update);
    }
  }
  return {
    credentials,
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** Each replacement is a fresh TLS context with ticket keys of its own, so no session survives a change of trust. */
class RotatingCredentials extends grpc.ServerCredentials {
  replace(options: SecureContextOptions): void {
    this.updateSecureContextOptions(options);
  }

  override _equals(other: grpc.ServerCredentials): boolean {
    return this === other;
  }
}
