import type { Locality } from '@weft/contracts';
import type { SourceRef } from '../config-store/config-object.ts';
import type { Labels } from './labels.ts';
import type { Protocol } from './protocol.ts';

/** What clients call. Knows no registry and no proxy. */
export interface Service {
  readonly hostname: string;
  readonly namespace: string;
  /** First label of the host name for services of the mesh's domain, else the host name. */
  readonly name: string;
  readonly origin: 'workloads' | 'kubernetes' | 'service-entry';
  /** Virtual addresses. */
  readonly addresses: readonly string[];
  /** Sorted by number, one per number. */
  readonly ports: readonly ServicePort[];
  readonly resolution: Resolution;
  /** Outside the mesh: no automatic mTLS, no peer metadata. */
  readonly external: boolean;
  readonly exportTo: readonly string[];
  /** Names to verify beside those of the endpoints' identities. */
  readonly subjectAltNames: readonly string[];
  /** Epoch milliseconds; undefined when the source does not say. */
  readonly createdAt: number | undefined;
  /** How a caller stays with the instance that it was given; undefined = it does not. */
  readonly session?: PersistentSession;
  /** Instances near the caller come first, also without outlier detection: in its zone, or on its node. */
  readonly prefer?: 'zone' | 'node';
  /** The objects that declared it; empty for services known only from workloads. */
  readonly refs: readonly SourceRef[];
}

/** How the endpoints of a service are found: told by us, asked of DNS (all addresses or the first), or the caller's own destination. */
export type Resolution = 'eds' | 'dns' | 'dns-round-robin' | 'passthrough';

/** The cookie or header that carries the instance (labels `istio.io/persistent-session` and `…-header`). */
export type PersistentSession =
  | { readonly kind: 'cookie'; readonly name: string; readonly path: string }
  | { readonly kind: 'header'; readonly name: string };

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  readonly protocol: Protocol;
}

/** One instance of a service on one of its ports. */
export interface Endpoint {
  readonly servicePort: number;
  /** IP address, or a DNS name for `dns` services. */
  readonly address: string;
  readonly port: number;
  /** The workload's own port as its owner knows it, which port-level policies name. */
  readonly workloadPort: number;
  readonly health: 'healthy' | 'unhealthy' | 'draining';
  readonly weight: number;
  readonly labels: Labels;
  readonly locality: Locality;
  readonly workload: string;
  readonly namespace: string;
  /** SPIFFE id; undefined when the endpoint has no identity in the mesh. */
  readonly identity: string | undefined;
  /** It has a sidecar that takes mutual TLS, unless policy says otherwise. */
  readonly hasSidecar: boolean;
}
