/** A real ADS server on loopback whose content the caller changes by hand: what tests of proxies and of the protocol talk to. */
import { silentLogger, systemClock, systemRandom } from '@weft/kit';
import type { ChangeSet } from '../resource.ts';
import { createAdsServer } from '../server/ads-server.ts';
import type { AdsLimits, AdsServer } from '../server/ads-server-types.ts';
import type { ResourceView, XdsSource } from '../server/xds-source.ts';
import { createGrpcServer, type GrpcServer } from '../transport/grpc-server.ts';
import {
  createRotatingCredentials,
  type RotatingCredentials,
  type ServerTls,
} from '../transport/server-credentials.ts';

export interface ChangeableSource extends XdsSource {
  /** @param changes undefined: everything is compared, what is equal is not sent. */
  change(view: ResourceView, changes?: ChangeSet): void;
  readonly sessions: number;
}

export function createChangeableSource(initial: ResourceView): ChangeableSource {
  let view = initial;
  const listeners = new Set<(changes?: ChangeSet) => void>();
  return {
    connect() {
      let own: ((changes?: ChangeSet) => void) | undefined;
      return {
        view: () => view,
        onPush(listener) {
          // Each stream is one entry, also when two give the same function.
          own = (changes) => listener(changes);
          listeners.add(own);
        },
        close() {
          if (own) listeners.delete(own);
        },
      };
    },
    change(next, changes) {
      view = next;
      for (const listener of listeners) listener(changes);
    },
    get sessions() {
      return listeners.size;
    },
  };
}

export interface ServedView {
  readonly source: ChangeableSource;
  readonly ads: AdsServer;
  readonly server: GrpcServer;
  readonly credentials: RotatingCredentials;
  readonly port: number;
  close(graceMs: number): Promise<void>;
}

/** @param options.services puts more on the server before it listens. */
export async function serveView(
  secret: ServerTls,
  view: ResourceView,
  options: {
    readonly port?: number;
    readonly limits?: Partial<AdsLimits>;
    readonly services?: (server: GrpcServer) => void;
  } = {},
): Promise<ServedView> {
  const { port = 0, limits = {}, services } = options;
  const source = createChangeableSource(view);
  const ads = createAdsServer({ source, clock: systemClock, random: systemRandom, logger: silentLogger, limits });
  const credentials = createRotatingCredentials(secret);
  const server = createGrpcServer({ address: `127.0.0.1:${port}`, credentials: credentials.credentials });
  server.addService(ads.service, ads.handlers);
  services?.(server);
  return {
    source,
    ads,
    server,
    credentials,
    port: await server.listen(),
    async close(graceMs) {
      ads.close();
      await server.close(graceMs);
    },
  };
}
