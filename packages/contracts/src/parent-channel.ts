/**
 * The line between a parent (supervisor, or a container's parent process) and a child (proxy, control plane): file
 * descriptor 3, newline-delimited JSON both ways. The parent never closes it while the child should live; when it closes,
 * the child ends (lifeline). Secrets travel here and nowhere else.
 */
export type ParentMessage =
  | { readonly type: 'secrets'; readonly default: WorkloadSecret; readonly rootCaPem: string }
  | { readonly type: 'admin-token'; readonly token: string }
  | { readonly type: 'xds-address'; readonly address: string }
  | {
      readonly type: 'control-plane-start';
      readonly tokenKeyJwk: Readonly<Record<string, unknown>>;
      readonly apiToken: string;
    }
  /** Stop accepting, let requests finish, end after `deadlineMs` at the latest. `replaced`: another process serves already. */
  | { readonly type: 'drain'; readonly deadlineMs: number; readonly replaced?: boolean }
  /** Which sockets do you listen on? Answered by `sockets`. */
  | { readonly type: 'tell-sockets' }
  /** The process that this one took over from has ended. */
  | { readonly type: 'predecessor-ended'; readonly cutConnections: number }
  | { readonly type: 'log-level'; readonly level: string };

export interface WorkloadSecret {
  /** Leaf first, then intermediates. */
  readonly certChainPem: string;
  readonly privateKeyPem: string;
  readonly spiffeId: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

export type ChildMessage =
  /** Serving. For the control plane with its root and actual ports. */
  | { readonly type: 'ready'; readonly rootCaPem?: string; readonly ports?: Readonly<Record<string, number>> }
  /** Not yet serving, and why; sent on each change. */
  | { readonly type: 'waiting'; readonly for: readonly string[] }
  | { readonly type: 'drained'; readonly cutConnections: number }
  /** Of the control plane: how proxies are to run, at start and whenever it changes. */
  | { readonly type: 'proxy-settings'; readonly settings: ProxySettings }
  | { readonly type: 'sockets'; readonly sockets: readonly ListeningSocket[] }
  | { readonly type: 'failed'; readonly message: string; readonly fix?: string };

/** What configuration says of processes, which no proxy can take from discovery. */
export interface ProxySettings {
  readonly rootNamespace: string;
  /** Threads of a proxy of which nothing else is said; undefined: as the mesh was started. */
  readonly concurrency?: number;
  /** Of some proxies, the oldest first. */
  readonly proxies: readonly {
    readonly namespace: string;
    /** undefined: the whole namespace. */
    readonly matchLabels?: Readonly<Record<string, string>>;
    readonly concurrency: number;
  }[];
}

/** A socket that a child listens on, by its own number for it. */
export interface ListeningSocket {
  readonly address: string;
  readonly port: number;
  readonly fd: number;
}

export const PARENT_CHANNEL_FD = 3;
