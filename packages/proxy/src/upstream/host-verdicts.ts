// How the workers of a process agree on who is out: one of them checks health and ejects, the others follow.
import type { Host } from './host.ts';
import type { EjectionKind } from './outlier/outlier-settings.ts';

/** What was found of one host. */
export interface HostVerdict {
  readonly cluster: string;
  /** "address:port". */
  readonly host: string;
  /** undefined: there is no such host any more. */
  readonly out: OutOfService | undefined;
}

export type OutOfService = Pick<Host, 'ejected' | 'checkFailed' | 'checkPending'>;

export interface HostVerdicts {
  readonly leads: boolean;
  /** Tells those who follow; undefined where there are none. */
  readonly tell: ((verdict: HostVerdict) => void) | undefined;
  /** Asks who leads to eject a host that failed as often as it may. */
  suspect(cluster: string, host: string, kind: EjectionKind): void;
}

/** There is one worker only. */
export const ALONE: HostVerdicts = { leads: true, tell: undefined, suspect: () => {} };

const bitsOf = ({ ejected, checkFailed, checkPending }: OutOfService): number =>
  (ejected ? 1 : 0) | (checkFailed ? 2 : 0) | (checkPending ? 4 : 0);

/** Tells what changed of the hosts of one cluster. */
export class VerdictTeller {
  readonly #cluster: string;
  readonly #tell: (verdict: HostVerdict) => void;
  readonly #told = new Map<string, number>();

  constructor(cluster: string, tell: (verdict: HostVerdict) => void) {
    this.#cluster = cluster;
    this.#tell = tell;
  }

  /** After something changed. New hosts are told of, whatever is known of them. */
  tell(hosts: ReadonlyMap<string, Host>): void {
    const cluster = this.#cluster;
    for (const [host, facts] of hosts) {
      const bits = bitsOf(facts);
      if (this.#told.get(host) === bits) continue;
      this.#told.set(host, bits);
      const { ejected, checkFailed, checkPending } = facts;
      this.#tell({ cluster, host, out: { ejected, checkFailed, checkPending } });
    }
    for (const host of this.#told.keys()) {
      if (hosts.has(host)) continue;
      this.#told.delete(host);
      this.#tell({ cluster, host, out: undefined });
    }
  }
}

/** What a follower was told, also of hosts that it does not have yet. */
export class VerdictBook {
  readonly #clusters = new Map<string, Map<string, OutOfService>>();

  take({ cluster, host, out }: HostVerdict): void {
    const hosts = this.#clusters.get(cluster) ?? new Map<string, OutOfService>();
    if (out === undefined) hosts.delete(host);
    else hosts.set(host, out);
    if (hosts.size === 0) this.#clusters.delete(cluster);
    else this.#clusters.set(cluster, hosts);
  }

  /** @param checked whether the cluster has health checks: then one that is told of later has not passed any. */
  of(cluster: string, host: string, checked: boolean): OutOfService {
    const hosts = this.#clusters.get(cluster);
    return hosts?.get(host) ?? { ejected: false, checkFailed: false, checkPending: checked && hosts !== undefined };
  }
}
