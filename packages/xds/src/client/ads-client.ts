/** Keeps a delta ADS stream open, hands updates over and answers them. */
import { createBackoff, errorMessage, type Timer } from '@weft/kit';
import { xdsShortName } from '@weft/contracts';
import { DeltaClient, type Incoming } from '../protocol/delta-client.ts';
import type { IncomingDelta } from '../protocol/messages.ts';
import type { XdsNode } from '../resource.ts';
import type { AdsClient, AdsClientOptions, AdsClientState, RejectedName } from './ads-client-types.ts';
import type { AdsStream } from './ads-transport.ts';

const DEFAULT_BACKOFF = { baseMs: 500, maxMs: 30_000 };

export function createAdsClient(options: AdsClientOptions): AdsClient {
  const { transport, handlers, clock, logger } = options;
  const node: XdsNode = {
    cluster: '',
    metadata: {},
    userAgentName: 'weft-proxy',
    userAgentVersion: '',
    clientFeatures: [],
    ...options.node,
  };
  const protocol = new DeltaClient(options.held);
  const backoff = createBackoff(options.backoff ?? DEFAULT_BACKOFF, options.random);
  let stream: AdsStream | undefined;
  let introduced = false;
  let connectedAt: number | undefined;
  let failures = 0;
  let lastError: string | undefined;
  let retry: Timer | undefined;
  let started = false;
  let closed = false;
  let applying = false;
  let flushPlanned = false;
  // Silences the events of the current stream.
  let mute = (): void => {};

  function connect(): void {
    if (closed) return;
    protocol.connected();
    introduced = false;
    let ended = false;
    const events = {
      onResponse: (response: IncomingDelta) => {
        if (!ended && !closed) receive(response);
      },
      onEnd: (reason: string) => {
        if (ended || closed) return;
        ended = true;
        disconnected(reason);
      },
    };
    mute = () => {
      ended = true;
    };
    try {
      stream = transport.open(events);
    } catch (error) {
      events.onEnd(errorMessage(error));
      return;
    }
    flush();
  }
  function disconnected(reason: string): void {
    stream = undefined;
    connectedAt = undefined;
    failures += 1;
    lastError = reason;
    const delayMs = backoff.next();
    logger.warn({ error: reason, failures, retryInMs: Math.round(delayMs) }, 'discovery stream ended');
    retry = clock.after(delayMs, connect);
    tell();
  }

  function receive(response: IncomingDelta): void {
    if (connectedAt === undefined) {
      connectedAt = clock.now();
      failures = 0;
      lastError = undefined;
      backoff.reset();
      logger.info({}, 'discovery stream connected');
    }
    const incoming = protocol.read(response);
    protocol.settle(response, incoming, apply(response.typeUrl, incoming), clock.now());
    flush();
    tell();
  }

  /** Subscriptions set by the handler go out after it has returned, in one request for each type. */
  function apply(typeUrl: string, { added, removed }: Incoming): readonly RejectedName[] {
    if (added.length === 0 && removed.length === 0) return [];
    applying = true;
    try {
      const rejected = handlers.onUpdate(typeUrl, added, removed);
      if (rejected.length > 0) logger.warn({ type: xdsShortName(typeUrl), rejected }, 'configuration rejected');
      return rejected;
    } catch (error) {
      const reason = errorMessage(error);
      logger.error({ type: xdsShortName(typeUrl), error: reason }, 'configuration could not be applied');
      return added.map(({ name }) => ({ name, reason }));
    } finally {
      applying = false;
    }
  }

  function flush(): void {
    while (stream) {
      const request = protocol.next();
      if (!request) return;
      stream.send(introduced ? request : { ...request, node });
      introduced = true;
    }
  }

  function flushSoon(): void {
    if (applying || flushPlanned) return;
    flushPlanned = true;
    queueMicrotask(() => {
      flushPlanned = false;
      if (!closed) flush();
    });
  }

  function tell(): void {
    handlers.onState?.(state());
  }

  function state(): AdsClientState {
    return {
      connected: connectedAt !== undefined,
      ...(connectedAt !== undefined && { connectedAt }),
      failures,
      ...(lastError !== undefined && { lastError }),
      types: protocol.types().map((type) => ({
        typeUrl: type.typeUrl,
        wildcard: type.wildcard,
        names: [...type.names],
        received: type.received,
        waitingFor: [...type.waiting],
        resources: type.held.size,
        ...(type.lastUpdateAt !== undefined && { lastUpdateAt: type.lastUpdateAt }),
        accepted: type.accepted,
        nacked: type.nacked,
        rejected: type.rejected,
      })),
    };
  }

  function drop(): void {
    mute();
    retry?.cancel();
    stream?.close();
    stream = undefined;
    connectedAt = undefined;
  }

  return {
    start() {
      if (started) return;
      started = true;
      connect();
    },
    setSubscriptions(typeUrl, names) {
      protocol.setSubscriptions(typeUrl, names === '*' ? '*' : new Set(names));
      flushSoon();
    },
    state,
    reconnect() {
      if (!started || closed) return;
      drop();
      connect();
    },
    close() {
      closed = true;
      drop();
    },
  };
}
