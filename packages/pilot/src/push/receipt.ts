/** What became of a change: which proxies took it, which refused it, and which have not answered yet. */
import type { Clock } from '@weft/kit';
import type { ProxyStatus } from '../ads/proxy-status.ts';
import type { ResourceKind } from '../generators/resource.ts';

export interface Receipt {
  /** Version of the snapshot that holds the change; undefined when none was built in time. */
  readonly version: number | undefined;
  /** Connected proxies that the change concerns and that took all of it. */
  readonly acknowledged: readonly ProxyName[];
  readonly waiting: readonly (ProxyName & { readonly types: readonly ResourceKind[] })[];
  readonly refused: readonly (ProxyName & {
    readonly type: ResourceKind;
    /** Empty when the proxy named none. */
    readonly resource: string;
    readonly reason: string;
  })[];
}

export interface ProxyName {
  readonly id: string;
  readonly workload: string;
  readonly namespace: string;
}

/** A connected proxy as the push sees it. */
export interface PushedProxy {
  readonly status: ProxyStatus;
  /** Snapshot that last changed something for it. */
  readonly changedVersion: number;
  /** Its push has not begun. */
  readonly queued: boolean;
}

/** @param since snapshot version before the change; what is older is not the change's matter. */
export function receiptOf(version: number | undefined, since: number, proxies: readonly PushedProxy[]): Receipt {
  const acknowledged: ProxyName[] = [];
  const waiting: Receipt['waiting'][number][] = [];
  const refused: Receipt['refused'][number][] = [];
  for (const { status, changedVersion, queued } of proxies) {
    if (!queued && changedVersion <= since) continue;
    const { id, workload, namespace } = status;
    const name: ProxyName = { id, workload, namespace };
    const kinds = Object.keys(status.types) as ResourceKind[];
    const nacks = kinds.flatMap((type) => {
      const nack = status.types[type]?.nack;
      return nack && Number(nack.version) > since
        ? [{ ...name, type, resource: nack.resource, reason: nack.reason }]
        : [];
    });
    const open = queued ? kinds : kinds.filter((kind) => isOpen(status, kind, version ?? changedVersion));
    refused.push(...nacks);
    if (queued || open.length > 0) waiting.push({ ...name, types: open });
    else if (nacks.length === 0) acknowledged.push(name);
  }
  return { version, acknowledged, waiting, refused };
}

function isOpen(status: ProxyStatus, kind: ResourceKind, version: number): boolean {
  const type = status.types[kind];
  if (type?.sentVersion === undefined) return false;
  const [sent, acked] = [Number(type.sentVersion), Number(type.ackedVersion ?? 0)];
  if (type.nack) return sent > acked && sent > Number(type.nack.version);
  // What is under way is newer news; the change itself was taken.
  if (acked >= version && sent > version) return false;
  // Removals wait until what refers to them was taken: behind a refusal that is not before it is mended.
  if (acked >= sent && refuses(status)) return false;
  return type.state === 'STALE';
}

const refuses = (status: ProxyStatus): boolean => Object.values(status.types).some(({ state }) => state === 'ERROR');

export interface ReceiptDeps {
  readonly clock: Clock;
  /** The snapshot that holds all changes up to this call, once it is built. */
  readonly built: () => () => number | undefined;
  readonly proxies: () => readonly PushedProxy[];
}

const FIRST_LOOK_MS = 10;
const MAX_LOOK_MS = 160;

/** Resolves when every proxy that the changes since then concern has answered, or when the time is over. */
export function awaitReceipt(deps: ReceiptDeps, since: number, waitMs: number): Promise<Receipt> {
  const { clock } = deps;
  const deadline = clock.now() + waitMs;
  const built = deps.built();
  return new Promise((resolve) => {
    const look = (everyMs: number): void => {
      const version = built();
      const receipt = receiptOf(version, since, deps.proxies());
      const leftMs = deadline - clock.now();
      if (leftMs <= 0 || (version !== undefined && receipt.waiting.length === 0)) resolve(receipt);
      else clock.after(Math.min(everyMs, leftMs), () => look(Math.min(everyMs * 2, MAX_LOOK_MS)));
    };
    look(FIRST_LOOK_MS);
  });
}
