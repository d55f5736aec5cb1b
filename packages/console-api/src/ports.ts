/** What console and CLI are answered from. An app wires the real ones; nothing here knows pilot, citadel or telemetry. */
import type {
  ConfigApplyResult,
  ConfigDocument,
  ConfigFile,
  ConfigReceipt,
  ConfigRef,
  ConfigSummary,
  ConfigValidation,
  ProxyTypeSync,
  ServicePortView,
} from '@weft/contracts/console-views';
import type { RegisteredWorkload } from '@weft/contracts';
import type { TelemetryQueries } from '@weft/contracts';

export interface ConsoleSources {
  readonly mesh: MeshSource;
  readonly config: ConfigSource;
  readonly registry: RegistrySource;
  readonly proxies: ProxySource;
  readonly certificates: CertificateSource;
  readonly telemetry: TelemetrySource;
}

/** Called after something changed; the listener reads the new state itself. Returns its own end. */
export type Subscribe = (changed: () => void) => () => void;

/** Measurements. The embedded store answers on one machine; another engine may elsewhere. */
export type TelemetrySource = Pick<
  TelemetryQueries,
  'covered' | 'rates' | 'series' | 'trends' | 'traces' | 'trace' | 'logs'
>;

export interface MeshInfo {
  readonly meshId: string;
  readonly trustDomain: string;
  readonly version: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly interception: string;
  /** Listeners as they are, after fallbacks. */
  readonly ports: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly owner: string;
    readonly authentication: string;
  }[];
  /** What a person can open in a browser. */
  readonly open: readonly { readonly name: string; readonly url: string; readonly description: string }[];
}

export interface MeshSource {
  info(): MeshInfo;
}

/** User configuration. Writes are validated by the store; a refusal is a value with diagnostics, not an error. */
export interface ConfigSource {
  list(): readonly ConfigSummary[];
  /** Files that were not accepted, or were with remarks. */
  files(): readonly ConfigFile[];
  get(ref: ConfigRef): Promise<ConfigDocument | undefined>;
  validate(yaml: string): Promise<ConfigValidation>;
  /** All objects of the text, or none. */
  apply(yaml: string, options: WriteOptions): Promise<ConfigOutcome>;
  delete(ref: ConfigRef, options: WriteOptions): Promise<ConfigOutcome>;
  /** What became of everything that was written since then, at the latest after `waitMs`. */
  receipt(since: number, waitMs: number): Promise<ConfigReceipt>;
  /** Configuration that names this service, for details pages. */
  forService(namespace: string, name: string): readonly ConfigRef[];
  /** Configuration that selects this workload. */
  forWorkload(namespace: string, name: string): readonly ConfigRef[];
  readonly subscribe: Subscribe;
}

export interface WriteOptions {
  readonly dryRun: boolean;
  /** How long to wait for the proxies that the change concerns; 0 answers at once, without a receipt. */
  readonly waitMs: number;
}

export type ConfigOutcome =
  | { readonly outcome: 'done'; readonly result: ConfigApplyResult }
  | { readonly outcome: 'refused'; readonly diagnostics: ConfigApplyResult['diagnostics'] }
  | { readonly outcome: 'not-found' };

export interface ServiceRecord {
  readonly namespace: string;
  readonly name: string;
  /** `reviews.default.svc.cluster.local`. */
  readonly hostname: string;
  readonly ports: readonly ServicePortView[];
  /** False for a ServiceEntry's host outside the mesh. */
  readonly internal: boolean;
}

export interface RegistrySource {
  services(): readonly ServiceRecord[];
  workloads(): readonly RegisteredWorkload[];
  readonly subscribe: Subscribe;
}

export interface ProxyRecord {
  /** Node id. */
  readonly id: string;
  readonly namespace: string;
  /** The workload's name. */
  readonly name: string;
  readonly kind: 'sidecar' | 'gateway';
  readonly version?: string;
  readonly connected: boolean;
  readonly connectedAt?: number;
  readonly adminAddress?: string;
  readonly sync: readonly ProxyTypeSync[];
}

export interface ProxySource {
  list(): readonly ProxyRecord[];
  readonly subscribe: Subscribe;
}

/** Public facts of a certificate; a key never comes this way. */
export interface CertificateRecord {
  /** SPIFFE id, or the authority's name. */
  readonly subject: string;
  readonly namespace?: string;
  readonly workload?: string;
  readonly serial: string;
  readonly issuer: string;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly renewedAt?: number;
  readonly renewalFailures?: number;
}

export interface CertificateSource {
  roots(): readonly CertificateRecord[];
  intermediates(): readonly CertificateRecord[];
  /** The newest of each workload. */
  workloads(): readonly CertificateRecord[];
}
