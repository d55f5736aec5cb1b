/** The source of the ADS server: one session per connected proxy, each with the resources of the latest push. */
import { XDS_TYPE } from '@weft/contracts';
import { WeftError, type Logger } from '@weft/kit';
import { nodeOfPeer, SOURCE_NOT_READY } from '@weft/xds';
import type {
  ChangeSet,
  PeerIdentity,
  ProxySession,
  ResourceView,
  Verdict,
  XdsNode,
  XdsResource,
  XdsSource,
} from '@weft/xds';
import type { Encoder } from '../generators/encoder.ts';
import { createMemo, type Memo } from '../generators/memo.ts';
import { PUSH_ORDER, type ResourceKind } from '../generators/resource.ts';
import type { Affected } from '../push/affected.ts';
import type { PushQueue } from '../push/push-queue.ts';
import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import { buildProxyView } from '../snapshot/proxy-view.ts';
import { workloadKey } from '../model/build-model.ts';
import { findWorkload, foreignWorkload, readNode, type NodeFacts } from './node-view.ts';
import { buildProxyResources, diffResources, type ProxyResources } from './proxy-resources.ts';

/** What the rest of the control plane may know of a connected proxy. */
export interface ConnectedProxy {
  readonly facts: NodeFacts;
  readonly resources: ProxyResources;
  /** Snapshot that last changed something for it. */
  readonly changedVersion: number;
}

export interface AdsSource extends XdsSource {
  /** @returns why this peer may not be this node. */
  authorize(node: XdsNode, peer: PeerIdentity): string | undefined;
  /** A new snapshot is there: every proxy that it may concern is put into the queue. */
  snapshotChanged(snapshot: MeshSnapshot, affected: Affected): void;
  proxies(): readonly ConnectedProxy[];
  /** Its push waits for its turn. */
  queued(proxy: ConnectedProxy): boolean;
}

export interface AdsSourceDeps {
  /** Undefined until configuration and registry have both been read once. */
  readonly snapshot: () => MeshSnapshot | undefined;
  readonly encoder: Encoder;
  readonly queue: (push: (session: Session, affected: Affected) => void) => PushQueue<Session>;
  readonly logger: Logger;
  readonly onPushed: (kinds: readonly ResourceKind[]) => void;
  readonly onRejected: (typeUrl: string) => void;
}

export interface Session extends ProxySession {
  readonly facts: NodeFacts;
  resources: ProxyResources;
  changedVersion: number;
  listener: ((changes?: ChangeSet) => void) | undefined;
}

export function createAdsSource(deps: AdsSourceDeps): AdsSource {
  const sessions = new Set<Session>();
  let memo: { readonly snapshot: MeshSnapshot; readonly values: Memo } | undefined;
  const memoOf = (snapshot: MeshSnapshot): Memo => {
    if (memo?.snapshot !== snapshot) memo = { snapshot, values: createMemo() };
    return memo.values;
  };
  const resourcesFor = (
    snapshot: MeshSnapshot,
    facts: NodeFacts,
    former?: { readonly resources: ProxyResources; readonly affected: Affected },
  ): ProxyResources => {
    const proxy = buildProxyView(facts, findWorkload(snapshot.workloads, facts));
    const own =
      former &&
      proxy.workload &&
      former.affected.workloads.has(workloadKey(proxy.workload.namespace, proxy.workload.name));
    return buildProxyResources({
      snapshot,
      proxy,
      memo: memoOf(snapshot),
      encoder: deps.encoder,
      ...(former && !own ? { former } : {}),
    });
  };
  const push = (session: Session, affected: Affected): void => {
    const snapshot = deps.snapshot();
    if (!snapshot || !sessions.has(session)) return;
    const former = session.resources;
    // A workload that left the registry while its proxy drains keeps what it has: taking its listeners would cut its last requests.
    if (former.proxy.workload && !findWorkload(snapshot.workloads, session.facts)) return;
    session.resources = resourcesFor(snapshot, session.facts, { resources: former, affected });
    const changes = diffResources(former, session.resources);
    if (changes.size === 0) return;
    session.changedVersion = snapshot.version;
    deps.onPushed([...changes.keys()]);
    deps.logger.debug(
      {
        proxy: session.facts.id,
        version: snapshot.version,
        changes: [...changes].map(([kind, names]) => `${kind}:${names.size}`),
      },
      'push',
    );
    session.listener?.(new Map([...changes].map(([kind, names]) => [XDS_TYPE[kind], names])));
  };
  const queue = deps.queue(push);

  return {
    authorize(node, peer) {
      try {
        const facts = readNode(node);
        const snapshot = deps.snapshot();
        return nodeOfPeer(node, peer) ?? foreignWorkload(facts, snapshot && findWorkload(snapshot.workloads, facts));
      } catch (error) {
        if (error instanceof WeftError) return error.message;
        throw error;
      }
    },
    connect(node) {
      const snapshot = deps.snapshot();
      if (!snapshot)
        throw new WeftError(SOURCE_NOT_READY, 'the control plane has not read its configuration and registry yet');
      const facts = readNode(node);
      const session = createSession(facts, resourcesFor(snapshot, facts), deps.onRejected, () => {
        sessions.delete(session);
        queue.remove(session);
      });
      sessions.add(session);
      return session;
    },
    snapshotChanged(_, affected) {
      if (affected.kinds.size === 0 && affected.workloads.size === 0) return;
      for (const session of sessions) queue.add(session, affected);
    },
    proxies: () => [...sessions],
    queued: (proxy) => queue.has(proxy as Session),
  };
}

const KIND_OF = new Map<string, ResourceKind>(PUSH_ORDER.map((kind) => [XDS_TYPE[kind], kind]));
const NOTHING: ReadonlyMap<string, XdsResource> = new Map();

/** Names that the view lacks are the server's matter: it answers them, so that nobody waits. */
function createSession(
  facts: NodeFacts,
  resources: ProxyResources,
  onRejected: (typeUrl: string) => void,
  closed: () => void,
): Session {
  const session: Session = {
    facts,
    resources,
    changedVersion: resources.version,
    listener: undefined,
    view: () => viewOf(session.resources),
    onPush(listener) {
      session.listener = listener;
    },
    onVerdict(typeUrl: string, { accepted }: Verdict) {
      if (!accepted) onRejected(typeUrl);
    },
    close: closed,
  };
  return session;
}

const viewOf = (resources: ProxyResources): ResourceView => ({
  version: String(resources.version),
  resources(typeUrl) {
    const kind = KIND_OF.get(typeUrl);
    return kind ? resources.of(kind) : NOTHING;
  },
});
