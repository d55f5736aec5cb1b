/** One ADS stream: ties requests, changes and a writer that may be slow to the state machine. Knows no gRPC. */
import type { Clock, Logger, Timer } from '@weft/kit';
import { errorMessage, WeftError } from '@weft/kit';
import { xdsShortName } from '@weft/contracts';
import type { DeltaRequest, SotwRequest } from '../protocol/messages.ts';
import type { Handled, ServerResponse, ServerStream } from '../protocol/server-stream.ts';
import type { XdsNode } from '../resource.ts';
import type { PeerIdentity } from '../transport/peer.ts';
import type { AdsLimits, ConnectionRecord } from './ads-server-types.ts';
import { SOURCE_NOT_READY, type ProxySession, type ResourceView, type XdsSource } from './xds-source.ts';

/** Why a stream is ended by the server. */
export type EndReason = 'invalid' | 'denied' | 'exhausted' | 'unresponsive' | 'unavailable';

/** The stream's other half, as the transport gives it. */
export interface ResponseWriter {
  /** @param written called when the message has left the buffers; the next one is written only then. */
  write(response: ServerResponse, written: () => void): void;
  end(reason: EndReason, message: string): void;
}

export interface ConnectionDeps<Request> {
  readonly id: string;
  readonly protocol: 'delta' | 'sotw';
  readonly peer: PeerIdentity;
  readonly stream: ServerStream<Request>;
  readonly source: XdsSource;
  readonly authorize: (node: XdsNode, peer: PeerIdentity) => string | undefined;
  readonly limits: AdsLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly writer: ResponseWriter;
  readonly count: (event: Handled | 'response') => void;
}

export interface Connection<Request> {
  receive(request: Request): void;
  /** Undefined before the first request. */
  record(): ConnectionRecord | undefined;
  /** Ends it from the server's side. */
  end(reason: EndReason, message: string): void;
  /** The transport says that the stream is over. */
  closed(): void;
}

export function createConnection<Request extends DeltaRequest | SotwRequest>(
  deps: ConnectionDeps<Request>,
): Connection<Request> {
  const { clock, limits, peer, stream, writer } = deps;
  const connectedAt = clock.now();
  let logger = deps.logger.child({ connection: deps.id });
  let node: XdsNode | undefined;
  let session: ProxySession | undefined;
  let view: ResourceView | undefined;
  let writing = false;
  let over = false;
  let resume: Timer | undefined;
  let watchdog: Timer | undefined = clock.after(limits.firstRequestTimeoutMs, () =>
    end('invalid', 'no request came in time'),
  );

  function closed(): void {
    if (over) return;
    over = true;
    watchdog?.cancel();
    resume?.cancel();
    session?.close();
    if (node) logger.info({ connectedMs: clock.now() - connectedAt }, 'xds stream closed');
  }

  function end(reason: EndReason, message: string): void {
    if (over) return;
    logger.warn({ reason, detail: message, peer: peer.spiffeId }, 'xds stream ended');
    closed();
    writer.end(reason, message);
  }

  function introduce(introduced: XdsNode | undefined): boolean {
    if (introduced === undefined || introduced.id === '') {
      end('invalid', 'the first request must carry a node with an id');
      return false;
    }
    const denied = deps.authorize(introduced, peer);
    if (denied !== undefined) {
      end('denied', denied);
      return false;
    }
    try {
      session = deps.source.connect(introduced, peer);
    } catch (error) {
      end(
        error instanceof WeftError && error.code !== SOURCE_NOT_READY ? 'denied' : 'unavailable',
        error instanceof WeftError ? errorMessage(error) : 'the node can not be served',
      );
      if (!(error instanceof WeftError))
        logger.error({ error: errorMessage(error) }, 'source failed to connect a node');
      return false;
    }
    node = introduced;
    logger = logger.child({ node: node.id });
    logger.info({ protocol: deps.protocol, peer: peer.spiffeId }, 'xds stream opened');
    watchdog?.cancel();
    watchdog = undefined;
    view = session.view();
    session.onPush((changes) => {
      if (over) return;
      view = session?.view();
      stream.changed(changes);
      pump();
    });
    return true;
  }

  function receive(request: Request): void {
    if (over || (!session && !introduce(request.node))) return;
    const fault = excess(request);
    if (fault !== undefined) {
      end('exhausted', fault);
      return;
    }
    const handled = stream.handle(request, clock.now());
    deps.count(handled);
    report(request, handled);
    pump();
  }

  function excess(request: Request): string | undefined {
    const state = stream.state(request.typeUrl);
    if (!state && stream.records().length >= limits.typesPerStream) return 'too many resource types on one stream';
    const asked = 'names' in request ? request.names.length : request.subscribe.length + (state?.names.size ?? 0);
    const claimed = 'initialVersions' in request ? request.initialVersions.size : 0;
    if (asked <= limits.namesPerType && claimed <= limits.namesPerType) return undefined;
    return `more than ${limits.namesPerType} names of ${xdsShortName(request.typeUrl)}`;
  }

  function report(request: Request, handled: Handled): void {
    const { typeUrl, error } = request;
    const type = xdsShortName(typeUrl);
    const state = stream.state(typeUrl);
    switch (handled) {
      case 'rejected':
        logger.warn({ type, error: error?.message }, 'configuration rejected by proxy');
        session?.onVerdict?.(typeUrl, {
          accepted: false,
          version: state?.lastNacked?.version ?? '',
          message: error?.message ?? '',
        });
        break;
      case 'accepted':
        session?.onVerdict?.(typeUrl, { accepted: true, version: state?.lastAcked?.version ?? '', message: '' });
        break;
      case 'report':
        if (error) logger.warn({ type, error: error.message }, 'proxy reports that it is not healthy');
        return;
      case 'stale':
      case 'subscribed':
        break;
    }
    if (state) session?.onSubscribed?.(typeUrl, { wildcard: state.wildcard, names: state.names });
  }

  /** Writes until the writer is busy or nothing is due. A slow peer thus holds one message and no queue. */
  function pump(): void {
    while (!over && !writing && view) {
      const response = stream.next(view, clock.now());
      if (!response) break;
      writing = true;
      deps.count('response');
      logger.debug(
        {
          type: xdsShortName(response.typeUrl),
          resources: response.resources.length,
          removed: response.removed.length,
        },
        'xds response',
      );
      writer.write(response, () => {
        writing = false;
        pump();
      });
    }
    resume?.cancel();
    const held = stream.heldUntil();
    resume = held === undefined || over ? undefined : clock.at(held, pump);
    watch();
  }

  function watch(): void {
    const since = stream.waitingSince();
    if (over || watchdog || since === undefined) return;
    watchdog = clock.at(since + limits.answerTimeoutMs, () => {
      watchdog = undefined;
      const oldest = stream.waitingSince();
      if (oldest !== undefined && clock.now() - oldest >= limits.answerTimeoutMs) {
        end('unresponsive', `a response was not answered within ${limits.answerTimeoutMs} ms`);
      } else watch();
    });
  }

  return {
    receive,
    end,
    closed,
    record: () => node && { id: deps.id, node, peer, protocol: deps.protocol, connectedAt, types: stream.records() },
  };
}
