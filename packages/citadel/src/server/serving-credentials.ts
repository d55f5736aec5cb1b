import type { ServerCredentials } from '@grpc/grpc-js';
import type { WorkloadSecret } from '@weft/contracts';
import { atWallTime, errorMessage, type Clock, type Logger, type Random, type Timer } from '@weft/kit';
import { createRotatingCredentials, type ServerTls } from '@weft/xds/transport';

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
  readonly credentials: ServerCredentials;
  close(): void;
}

const RETRY_MS = 5_000;

/** TLS for a gRPC server of the control plane, renewed at half-life without closing a connection. */
export function createServingCredentials(deps: ServingCredentialsDeps): ServingCredentials {
  const { clock, random, logger } = deps;
  let timer: Timer | undefined;
  let closed = false;
  const renewed = (): ServerTls => {
    const { privateKeyPem, certChainPem, expiresAt } = deps.renew();
    const halfLifeMs = (expiresAt - clock.now()) * (0.5 - random.next() * 0.01);
    timer = atWallTime(clock, clock.now() + halfLifeMs, update);
    return { privateKeyPem, certChainPem, rootsPem: deps.rootsPem() };
  };
  const rotating = createRotatingCredentials(renewed(), deps.clientCertificates);
  function update(): void {
    if (closed) return;
    try {
      rotating.update(renewed());
      logger.info({}, 'serving certificate renewed');
    } catch (error) {
      logger.error({ error: errorMessage(error) }, 'serving certificate could not be renewed');
      timer?.cancel();
      timer = clock.after(RETRY_MS, update);
    }
  }
  return {
    credentials: rotating.credentials,
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}
