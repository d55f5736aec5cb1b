import { XDS_TYPE } from '@weft/contracts';
import { type Clock, errorMessage, type Logger } from '@weft/kit';
import type {
  AdsClient,
  AdsClientHandlers,
  AdsClientState,
  HeldVersions,
  ReceivedResource,
  RejectedName,
} from '@weft/xds';
import type { NameTable } from '@weft/contracts/lean/istio/networking/nds/v1/nds';
import type { BytesOf, RejectedResource, ResourceSet, ResourceType } from '../ports.ts';
import type { SavedConfig } from '../saved-config/saved-config.ts';
import { decodeResource, ownName, RESOURCE_TYPES, resourceTypeOf, routeNamesOf, unknownFields } from './decode.ts';
import {
  changeBook,
  EMPTY_BOOK,
  type HeldResource,
  isEmpty,
  type RefusedResource,
  type ResourceBook,
  resourceSetOf,
  restore,
} from './resource-book.ts';
import type { SecretIntake } from '../secrets/secret-intake.ts';
import { type KnownSecrets, wantedBy } from './subscriptions.ts';

export interface DiscoveryDeps {
  /** Makes the client of the control plane; `held` is what this proxy has from an earlier run. */
  readonly createClient: (handlers: AdsClientHandlers, held: HeldVersions) => AdsClient;
  /** Puts a set in force, at once. */
  readonly apply: (resources: ResourceSet, bytesOf: BytesOf) => readonly RejectedResource[];
  /** Takes the names that are to be answered for; undefined: they are not asked for. */
  readonly applyNames?: (tables: readonly NameTable[]) => void;
  /** Gets the secrets that resources name; undefined: they are not asked for. */
  readonly secrets?: Pick<SecretIntake, 'want' | 'take'>;
  readonly saved: SavedConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts fields that the proxy does not read. */
  readonly onUnknownFields: (count: number) => void;
  /** Unknown fields refuse the resource. */
  readonly refuseUnknownFields: boolean;
  /** How long to wait for a silent control plane before the saved configuration is used. Default 2 s. */
  readonly savedAfterMs?: number;
}

export interface DiscoveryState {
  readonly client: AdsClientState | undefined;
  /** Where the configuration in force comes from. */
  readonly source: 'none' | 'saved' | 'control-plane';
  /** Epoch milliseconds of the saved configuration that was read at start. */
  readonly savedAt: number | undefined;
}

export interface Discovery {
  /** Reads what is saved, connects, and keeps the data path up to date until `close`. */
  start(): Promise<void>;
  book(): ResourceBook;
  state(): DiscoveryState;
  /** What is still missing, in words; empty when the proxy has all it asked for. */
  waitingFor(): string[];
  /** With a new certificate or address. */
  reconnect(): void;
  close(): Promise<void>;
}

const DEFAULT_SAVED_AFTER_MS = 2_000;
/** How long a proxy is not ready for want of secrets that were asked for; Envoy waits as long. */
const SECRETS_WITHIN_MS = 15_000;
// A disk that answers later than this must not keep the proxy from saying that it serves.
const ON_DISK_WITHIN_MS = 2_000;

export function createDiscovery(deps: DiscoveryDeps): Discovery {
  const { clock, logger, saved } = deps;
  let book = EMPTY_BOOK;
  let client: AdsClient | undefined;
  let source: DiscoveryState['source'] = 'none';
  let savedAt: number | undefined;
  let closed = false;
  const knownSecrets: KnownSecrets = new WeakMap();
  let secretsAskedAt: number | undefined;
  /** The first complete set: not there yet, being written, or written as far as that is possible. */
  let firstSet: 'awaited' | 'written' | 'kept' = 'awaited';
  const types = RESOURCE_TYPES.filter((type) => type !== 'nameTable' || deps.applyNames !== undefined);
  let names: ResourceBook['held']['nameTable'] | undefined;
  let inForce: { readonly book: ResourceBook; readonly set: ResourceSet } | undefined;

  /** Puts `next` in force and keeps what could be taken. @returns what the data path refused. */
  const put = (next: ResourceBook): readonly RejectedResource[] => {
    const before = book;
    book = next;
    inForce = { book: next, set: resourceSetOf(next, inForce) };
    const rejected = deps.apply(inForce.set, (type, name) => next.held[type].get(name)?.bytes);
    book = restore(next, before, rejected, clock.now());
    if (next.held.nameTable !== names) {
      names = next.held.nameTable;
      deps.applyNames?.([...names.values()].map(({ message }) => message));
    }
    return rejected;
  };

  const subscribe = (): void => {
    const wanted = wantedBy(book, knownSecrets);
    client?.setSubscriptions(XDS_TYPE.endpoint, wanted.endpoint);
    client?.setSubscriptions(XDS_TYPE.route, wanted.route);
    book = forget(book, 'endpoint', wanted.endpoint);
    book = forget(book, 'route', wanted.route);
    if (deps.secrets === undefined) return;
    const { served } = wanted.secrets;
    if (served.size > 0 || secretsAskedAt !== undefined) client?.setSubscriptions(XDS_TYPE.secret, served);
    if (served.size > 0) secretsAskedAt ??= clock.now();
    deps.secrets.want(wanted.secrets);
  };

  const useSaved = (why: string): void => {
    if (source !== 'none' || closed || isEmpty(book)) return;
    source = 'saved';
    const rejected = put(book);
    logger.warn({ savedAt, why }, 'saved configuration is in use until the control plane answers');
    for (const { type, name, reason } of rejected) logger.warn({ type, name, reason }, 'saved resource was refused');
  };

  const missingOf = (state: AdsClientState | undefined): string[] => {
    if (state === undefined) return ['configuration'];
    const reason = state.lastError === undefined ? '' : ` (${state.lastError})`;
    return types.flatMap((type) => {
      const one = state.types.find(({ typeUrl }) => typeUrl === XDS_TYPE[type]);
      if (one === undefined || (one.wildcard && !one.received)) {
        return one === undefined && (type === 'endpoint' || type === 'route')
          ? []
          : [`${type === 'nameTable' ? 'name table' : `${type}s`} from the control plane${reason}`];
      }
      const missing = one.waitingFor.filter((name) => !book.held[type].has(name));
      return missing.length === 0
        ? []
        : [`${type}s ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', ...' : ''}${reason}`];
    });
  };

  const missingSecretsOf = (state: AdsClientState | undefined): string[] => {
    const secrets = state?.types.find(({ typeUrl }) => typeUrl === XDS_TYPE.secret)?.waitingFor ?? [];
    const isLate = secretsAskedAt !== undefined && clock.now() >= secretsAskedAt + SECRETS_WITHIN_MS;
    return isLate ? [] : secrets.slice(0, 5).map((name) => `secret ${name}`);
  };

  /** Who says that it is ready can be killed at once, and serves again from what is on disk. */
  const keepFirstSet = (state: AdsClientState): void => {
    if (firstSet !== 'awaited' || source !== 'control-plane' || missingOf(state).length > 0) return;
    firstSet = 'written';
    const kept = (): void => void (firstSet = 'kept');
    const patience = clock.after(ON_DISK_WITHIN_MS, kept);
    void saved.flush().then(() => {
      patience.cancel();
      kept();
    });
  };

  const handlers: AdsClientHandlers = {
    onUpdate(typeUrl, added, removed) {
      if (typeUrl === XDS_TYPE.secret) return deps.secrets?.take(added, removed) ?? [];
      const type = resourceTypeOf(typeUrl);
      if (type === undefined || !types.includes(type)) return [];
      const { taken, refused } = decodeAll(type, added, clock.now(), deps);
      const rejected = put(changeBook(book, { type, taken, removed, refused }));
      source = 'control-plane';
      // Endpoints and routes refer to nothing that would have to be asked for.
      if (type === 'cluster' || type === 'listener') subscribe();
      saved.save(book);
      const all: RejectedName[] = [
        ...refused.map(({ name, reason }) => ({ name, reason })),
        ...rejected.filter((one) => one.type === type).map(({ name, reason }) => ({ name, reason })),
      ];
      for (const { name, reason } of all)
        logger.warn({ type, name, reason }, 'resource was refused; the former one stands');
      return all;
    },
    onState(state) {
      if (state.failures > 0) useSaved(state.lastError ?? 'the control plane can not be reached');
      else if (source !== 'control-plane' && hasAnswered(state)) {
        // Nothing changed since it was saved, so nothing came: what is held is what the control plane means.
        if (source === 'none') put(book);
        source = 'control-plane';
        logger.info({}, 'the control plane confirmed the configuration');
      }
      keepFirstSet(state);
    },
  };

  return {
    async start() {
      const read = await saved.load();
      savedAt = read.savedAt;
      for (const type of types) {
        const { taken, refused } = decodeAll(type, read.resources[type], read.savedAt ?? clock.now(), deps);
        for (const { name, reason } of refused) logger.warn({ type, name, reason }, 'saved resource was left out');
        book = changeBook(book, { type, taken, removed: [], refused: [] });
      }
      if (closed) return;
      client = deps.createClient(handlers, heldVersions(book));
      client.setSubscriptions(XDS_TYPE.cluster, '*');
      client.setSubscriptions(XDS_TYPE.listener, '*');
      if (deps.applyNames !== undefined) client.setSubscriptions(XDS_TYPE.nameTable, '*');
      subscribe();
      client.start();
      clock.after(deps.savedAfterMs ?? DEFAULT_SAVED_AFTER_MS, () => useSaved('the control plane has not answered'));
    },
    book: () => book,
    state: () => ({ client: client?.state(), source, savedAt }),
    waitingFor() {
      // Saved configuration stands in for answers that did not come.
      if (source === 'saved') return [];
      const state = client?.state();
      const missing = [...missingOf(state), ...missingSecretsOf(state)];
      return missing.length === 0 && firstSet === 'written' ? ['the configuration to be on disk'] : missing;
    },
    reconnect: () => client?.reconnect(),
    async close() {
      closed = true;
      client?.close();
      await saved.flush();
    },
  };
}

/** Both lists that everything else hangs on were answered since this process began. */
const hasAnswered = ({ types }: AdsClientState): boolean =>
  [XDS_TYPE.cluster, XDS_TYPE.listener].every((typeUrl) =>
    types.some((type) => type.typeUrl === typeUrl && type.received),
  );

function forget(book: ResourceBook, type: ResourceType, wanted: ReadonlySet<string>): ResourceBook {
  const gone = [...book.held[type].keys()].filter((name) => !wanted.has(name));
  return gone.length === 0 ? book : changeBook(book, { type, taken: [], removed: gone, refused: [] });
}

const heldVersions = (book: ResourceBook): HeldVersions =>
  new Map(
    RESOURCE_TYPES.map((type) => [
      XDS_TYPE[type],
      new Map([...book.held[type].values()].map(({ name, version }) => [name, version])),
    ]),
  );

type Received = Pick<ReceivedResource, 'name' | 'version' | 'bytes'>;

function decodeAll(
  type: ResourceType,
  received: readonly Received[],
  at: number,
  deps: Pick<DiscoveryDeps, 'onUnknownFields' | 'refuseUnknownFields'>,
): { readonly taken: HeldResource[]; readonly refused: RefusedResource[] } {
  const taken: HeldResource[] = [];
  const refused: RefusedResource[] = [];
  for (const { name, version, bytes } of received) {
    try {
      taken.push({ name, version, bytes, message: checked(type, name, bytes, deps), updatedAt: at });
    } catch (error) {
      refused.push({ name, version, bytes, reason: errorMessage(error), at });
    }
  }
  return { taken, refused };
}

function checked(
  type: ResourceType,
  name: string,
  bytes: Uint8Array,
  { onUnknownFields, refuseUnknownFields }: Pick<DiscoveryDeps, 'onUnknownFields' | 'refuseUnknownFields'>,
): HeldResource['message'] {
  const message = decodeResource(type, bytes);
  const own = ownName(message);
  if (own !== undefined && own !== name) throw new Error(`the message calls itself "${own}"`);
  // A listener whose connection manager can not be read is refused here, before anybody asks for its routes.
  if (message.$typeName === 'envoy.config.listener.v3.Listener') routeNamesOf(message);
  const unknown = unknownFields(message);
  if (unknown.length > 0) {
    if (refuseUnknownFields) throw new Error(`unknown field ${unknown[0] ?? ''}`);
    onUnknownFields(unknown.length);
  }
  return message;
}
