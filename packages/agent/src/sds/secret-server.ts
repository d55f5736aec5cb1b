/** Envoy's secret discovery on a Unix socket: whoever may open the socket is the workload. */
import { chmod, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { parseSpiffeId, XDS_TYPE } from '@weft/contracts';
import { errorMessage, systemClock, systemRandom, WeftError, type Clock, type Logger, type Random } from '@weft/kit';
import {
  createGrpcServer,
  createSdsServer,
  type ChangeSet,
  type ResourceView,
  type XdsResource,
  type XdsSource,
} from '@weft/xds';
import type { AgentSecrets, SecretListener, SecretUpdate } from '../keeper/secrets.ts';
import { secretResources } from './secret-resources.ts';

/** Where the secrets come from: an `Agent` fits. */
export interface SecretOrigin {
  secrets(): AgentSecrets | undefined;
  subscribe(listener: SecretListener): () => void;
}

export interface SecretServerOptions {
  /** Path of the socket; its folder exists. What was there before is replaced. */
  readonly socketPath: string;
  readonly spiffeId: string;
  readonly origin: SecretOrigin;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface SecretServer {
  readonly socketPath: string;
  /** Envoys that are connected now, by their open streams. */
  streams(): number;
  /** Ends the streams and removes the socket. */
  close(): Promise<void>;
}

/**
 * Serves `default` and `ROOTCA`; a name that is not there yet is sent once it is, never empty.
 * @throws {WeftError} WEFT_SDS_PATH when the path is too long, WEFT_LISTEN when it can not be bound.
 */
export async function createSecretServer(options: SecretServerOptions): Promise<SecretServer> {
  const { socketPath, spiffeId, origin, logger, clock = systemClock, random = systemRandom } = options;
  const identity = parseSpiffeId(spiffeId);
  if (!identity) throw new WeftError('WEFT_IDENTITY', `"${spiffeId}" is not a workload's SPIFFE id`);
  checkLength(socketPath);
  const source = createSecretSource(origin, clock);
  const sds = createSdsServer({
    source,
    peer: { spiffeId, identity, address: `unix:${socketPath}` },
    authorize: () => undefined,
    clock,
    random,
    logger,
  });
  const folder = await privateFolder(dirname(socketPath));
  const hidden = join(folder, SOCKET_NAME);
  const server = createGrpcServer({
    address: `unix:${hidden}`,
    credentials: grpc.ServerCredentials.createInsecure(),
    maxConnectionAgeMs: 0,
  });
  server.addService(sds.service, sds.handlers);
  const close = async (): Promise<void> => {
    source.close();
    sds.close();
    await server.close(500);
  };
  try {
    await server.listen();
    // Nobody else can reach it inside the folder; under its own name it is already 0600.
    await chmod(hidden, 0o600);
    await rename(hidden, socketPath);
  } catch (error) {
    await close();
    throw error instanceof WeftError
      ? error
      : new WeftError('WEFT_LISTEN', `can not serve secrets at ${socketPath}: ${errorMessage(error)}`, {
          cause: error,
        });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  logger.info({ socket: socketPath }, 'secret discovery is served');
  return {
    socketPath,
    streams: () => sds.connections().length,
    async close() {
      await close();
      await rm(socketPath, { force: true });
    },
  };
}

// sun_path holds 108 bytes with its end; the socket is made in a folder of its own first.
const MAX_PATH_BYTES = 107;
const HIDDEN_NAME = '.sds-';
const SOCKET_NAME = 's';

/** Readable by its owner only. */
const privateFolder = (parent: string): Promise<string> => mkdtemp(join(parent, HIDDEN_NAME));

function checkLength(socketPath: string): void {
  const hidden = join(dirname(socketPath), `${HIDDEN_NAME}XXXXXX`, SOCKET_NAME);
  if (Math.max(Buffer.byteLength(hidden), Buffer.byteLength(socketPath)) <= MAX_PATH_BYTES) return;
  throw new WeftError('WEFT_SDS_PATH', `the path of the socket is too long for the system: ${socketPath}`, {
    fix: 'Use a shorter state folder (--state).',
  });
}

function createSecretSource(origin: SecretOrigin, clock: Clock): XdsSource & { close(): void } {
  const listeners = new Set<(changes: ChangeSet) => void>();
  let issued = 0;
  let view = viewOf('', new Map());
  const update = (_update: SecretUpdate): void => {
    const secrets = origin.secrets();
    if (!secrets) return;
    issued += 1;
    const version = `${new Date(clock.now()).toISOString()}/${issued}`;
    const former = view.resources(XDS_TYPE.secret);
    view = viewOf(version, keepSame(former, secretResources(secrets, version)));
    for (const push of listeners) push(new Map([[XDS_TYPE.secret, 'all']]));
  };
  const stop = origin.subscribe(update);
  return {
    connect() {
      let own: ((changes: ChangeSet) => void) | undefined;
      return {
        view: () => view,
        onPush(listener) {
          own = listener;
          listeners.add(listener);
        },
        close() {
          if (own) listeners.delete(own);
        },
      };
    },
    close: stop,
  };
}

/** A secret with the same bytes keeps its version, so that it is not sent again. */
function keepSame(
  former: ReadonlyMap<string, XdsResource>,
  next: ReadonlyMap<string, XdsResource>,
): ReadonlyMap<string, XdsResource> {
  return new Map(
    [...next].map(([name, resource]) => {
      const before = former.get(name);
      return [name, before && Buffer.compare(before.bytes, resource.bytes) === 0 ? before : resource];
    }),
  );
}

function viewOf(version: string, secrets: ReadonlyMap<string, XdsResource>): ResourceView {
  const none: ReadonlyMap<string, XdsResource> = new Map();
  return { version, resources: (typeUrl) => (typeUrl === XDS_TYPE.secret ? secrets : none) };
}
