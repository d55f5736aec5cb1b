// What a proxy is told at its start: flags as text → checked values with defaults.
import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { parseNodeId } from '@weft/contracts';
import { LOG_LEVELS, type LogLevel, WeftError } from '@weft/kit';
import type { DnsUpstreamAddress } from './dns/dns-upstream.ts';

export interface ProxyOptions {
  readonly nodeId: string;
  /** Istio's node metadata: NAMESPACE, WORKLOAD_NAME, LABELS, CLUSTER_ID, MESH_ID, ... */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** `host:port` of the control plane; undefined waits for the parent to tell. */
  readonly xdsAddress: string | undefined;
  /** The control plane speaks without TLS, on this machine. */
  readonly xdsPlaintext: boolean;
  /** Who else than Weft's control plane serves discovery over TLS, as istiod does. */
  readonly xdsServer: XdsServerOptions | undefined;
  /** Folder with certificate, key and roots; undefined: the parent sends them. */
  readonly secretsDir: string | undefined;
  /** Folders with files that TLS settings may name (`file-root:`, `file-cert:`). */
  readonly secretFolders: readonly string[];
  /** What `file-root:system` stands for; undefined: where this system has its roots. */
  readonly systemRoots: string | undefined;
  /** Where the last good configuration is kept; undefined keeps none. */
  readonly saveDir: string | undefined;
  /** undefined: no admin page. */
  readonly admin: { readonly host: string; readonly port: number } | undefined;
  /** File with the token that changes by the admin page need; undefined: the parent tells it, or nobody may change anything. */
  readonly adminTokenFile: string | undefined;
  /** "ADDRESS:PORT" → descriptor of a listening socket. */
  readonly inherited: ReadonlyMap<string, number>;
  /** "ADDRESS:PORT" → descriptor of a bound datagram socket. */
  readonly inheritedDatagrams: ReadonlyMap<string, number>;
  /** Another process serves these sockets until this one is ready. */
  readonly replaces: boolean;
  /** Client connections at once; undefined: 10 000, or what descriptors allow. */
  readonly maxConnections: number | undefined;
  /** Clients whose TLS handshake waits for those of others to begin. */
  readonly maxWaitingHandshakes: number;
  /** Of heap and buffers. */
  readonly maxMemoryBytes: number;
  /** How long connections of removed listeners may go on. */
  readonly drainTimeMs: number;
  /** undefined: nobody is the parent, so there are no secrets and no lifeline. */
  readonly parentFd: number | undefined;
  /** Of every connection to an upstream (SO_MARK); undefined: none. */
  readonly socketMark: number | undefined;
  /** Where the workload's questions to DNS come to; undefined: they are not answered. */
  readonly dns:
    | {
        readonly listen: { readonly host: string; readonly port: number };
        /** undefined: names that the mesh does not know fail. */
        readonly upstream: DnsUpstreamAddress | undefined;
        /** No other server knows the mesh's own domain. */
        readonly authoritative: boolean;
      }
    | undefined;
  /** Threads that carry the traffic; 1 = the main thread alone. */
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  /** Resources with fields that the proxy does not read are refused. */
  readonly refuseUnknownFields: boolean;
}

export interface XdsServerOptions {
  /** A SPIFFE id, or a DNS name, that its certificate must have. */
  readonly name: string;
  /** File of the roots that its certificate leads to; undefined: those of the workload. */
  readonly rootsFile: string | undefined;
  /** File with a token that says who asks; undefined: the workload's certificate does. */
  readonly tokenFile: string | undefined;
}

/** Flags as they come from the command line. */
export interface ProxyFlags {
  readonly nodeId: string;
  readonly metadata?: string;
  readonly xds?: string;
  readonly xdsPlaintext?: boolean;
  readonly xdsServerName?: string;
  readonly xdsRoots?: string;
  readonly xdsToken?: string;
  readonly secretsDir?: string;
  readonly secretFiles?: readonly string[];
  readonly systemRoots?: string;
  readonly saveDir?: string;
  readonly admin?: string;
  readonly adminToken?: string;
  readonly listenFd?: readonly string[];
  readonly datagramFd?: readonly string[];
  readonly replace?: boolean;
  readonly drainTimeS?: string;
  readonly maxConnections?: string;
  readonly maxWaitingHandshakes?: string;
  readonly maxMemoryMib?: string;
  readonly parentFd?: string;
  readonly socketMark?: string;
  readonly dnsListen?: string;
  readonly dnsUpstream?: string;
  readonly dnsAuthoritative?: boolean;
  readonly concurrency?: string;
  readonly logLevel?: string;
  readonly rejectUnknownDynamicFields?: boolean;
}

const refuse = (flag: string, reason: string, fix?: string): never => {
  throw new WeftError('WEFT_OPTION', `${flag}: ${reason}`, fix === undefined ? { where: flag } : { where: flag, fix });
};

/** @param cores of the machine. @throws {WeftError} WEFT_OPTION naming the flag. */
export function readOptions(flags: ProxyFlags, cores: number): ProxyOptions {
  if (parseNodeId(flags.nodeId) === undefined) {
    refuse('--node-id', `"${flags.nodeId}" is not TYPE~IP~NAME.NAMESPACE~DOMAIN with TYPE sidecar or router`);
  }
  if (flags.replace === true && flags.parentFd === undefined)
    refuse('--replace', 'is of no use without --parent-fd: nobody would tell the other process to go');
  if (flags.adminToken !== undefined && flags.parentFd !== undefined)
    refuse('--admin-token', 'is of no use with --parent-fd: the parent tells the token');
  if (flags.adminToken !== undefined && flags.admin === undefined) refuse('--admin-token', 'needs --admin');
  if (flags.secretsDir !== undefined && flags.parentFd !== undefined)
    refuse('--secrets-dir', 'is of no use with --parent-fd: the parent sends the secrets');
  return {
    nodeId: flags.nodeId,
    metadata: readMetadata(flags.metadata ?? '{}'),
    xdsAddress: flags.xds === undefined ? undefined : readXdsAddress(flags.xds),
    xdsPlaintext: flags.xdsPlaintext === true && readPlaintext(flags.xds),
    xdsServer: readXdsServer(flags),
    secretsDir: flags.secretsDir,
    secretFolders: (flags.secretFiles ?? []).map((folder) =>
      isAbsolute(folder) ? folder : refuse('--secret-files', `"${folder}" is not an absolute path`),
    ),
    systemRoots: flags.systemRoots,
    saveDir: flags.saveDir,
    admin: flags.admin === undefined ? undefined : readAdmin(flags.admin),
    adminTokenFile: flags.adminToken,
    inherited: new Map((flags.listenFd ?? []).map((text) => readListenFd('--listen-fd', text))),
    inheritedDatagrams: new Map((flags.datagramFd ?? []).map((text) => readListenFd('--datagram-fd', text))),
    replaces: flags.replace ?? false,
    maxConnections:
      flags.maxConnections === undefined ? undefined : readCount('--max-connections', flags.maxConnections, 10_000_000),
    maxWaitingHandshakes: readCount('--max-waiting-handshakes', flags.maxWaitingHandshakes ?? '1024', 1 << 20),
    maxMemoryBytes: readCount('--max-memory-mib', flags.maxMemoryMib ?? '1024', 1 << 20) * 1024 * 1024,
    drainTimeMs: readDrainTime(flags.drainTimeS ?? '45'),
    parentFd: flags.parentFd === undefined ? undefined : readFd('--parent-fd', flags.parentFd),
    socketMark: flags.socketMark === undefined ? undefined : readMark(flags.socketMark),
    dns: readDns(flags),
    concurrency: readConcurrency(flags.concurrency ?? '1', cores),
    logLevel: readLevel(flags.logLevel ?? 'info'),
    refuseUnknownFields: flags.rejectUnknownDynamicFields ?? false,
  };
}

function readMetadata(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('--metadata', 'is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('--metadata', 'is not a JSON object');
  return { ...value };
}

function readXdsAddress(text: string): string {
  if (text.startsWith('unix:')) return text;
  splitAddress('--xds', text);
  return text;
}

/** What anybody on the way could read and change does not leave the machine. */
function readPlaintext(xds: string | undefined): true {
  if (xds === undefined) return refuse('--xds-plaintext', 'needs --xds');
  const local = xds.startsWith('unix:') || LOOPBACK.test(splitAddress('--xds', xds).host);
  return local
    ? true
    : refuse(
        '--xds-plaintext',
        `${xds} is neither a loopback address nor a Unix socket`,
        'Leave it out for mutual TLS, or let an agent on this machine speak to the control plane.',
      );
}

const SERVER_NAME = /^(?:spiffe:\/\/[^/\s]+\/\S+|[a-z\d](?:[a-z\d.-]{0,252}[a-z\d])?)$/i;

/** Who serves is known by name: without one, any certificate that the roots vouch for would do. */
function readXdsServer(flags: ProxyFlags): XdsServerOptions | undefined {
  const { xds, xdsPlaintext, xdsServerName: name, xdsRoots: rootsFile, xdsToken: tokenFile, parentFd } = flags;
  if (name === undefined) {
    for (const [flag, given] of [
      ['--xds-roots', rootsFile],
      ['--xds-token', tokenFile],
    ] as const) {
      if (given !== undefined)
        refuse(flag, 'needs --xds-server-name', 'For istiod that is istiod.istio-system.svc, as a rule.');
    }
    return undefined;
  }
  if (!SERVER_NAME.test(name)) refuse('--xds-server-name', `"${name}" is neither a DNS name nor a SPIFFE id`);
  if (xds === undefined) refuse('--xds-server-name', 'needs --xds');
  if (xdsPlaintext === true)
    refuse('--xds-server-name', 'is of no use with --xds-plaintext: nobody shows a certificate');
  if (parentFd !== undefined)
    refuse('--xds-server-name', "is of no use with --parent-fd: the parent's control plane serves");
  if (rootsFile === undefined && flags.secretsDir === undefined)
    refuse('--xds-server-name', 'needs roots to judge it by: --xds-roots, or --secrets-dir');
  if (tokenFile === undefined && flags.secretsDir === undefined)
    refuse('--xds-server-name', 'needs something that says who asks: --xds-token, or --secrets-dir');
  return { name, rootsFile, tokenFile };
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/;

function readAdmin(text: string): { readonly host: string; readonly port: number } {
  const { host, port } = splitAddress('--admin', text);
  if (!LOOPBACK.test(host)) {
    return refuse(
      '--admin',
      `${host} is not a loopback address`,
      'The admin page shows the whole configuration: bind it to 127.x.y.z.',
    );
  }
  return { host, port };
}

function readDns({ dnsListen, dnsUpstream, dnsAuthoritative = false }: ProxyFlags): ProxyOptions['dns'] {
  if (dnsListen === undefined) {
    if (dnsUpstream !== undefined) refuse('--dns-upstream', 'is of no use without --dns-listen');
    return dnsAuthoritative ? refuse('--dns-authoritative', 'is of no use without --dns-listen') : undefined;
  }
  const listen = splitAddress('--dns-listen', dnsListen);
  if (isIP(listen.host) === 0 || !LOOPBACK.test(listen.host)) {
    return refuse(
      '--dns-listen',
      `${listen.host} is not a loopback address`,
      'The workload alone is to ask: bind it to 127.x.y.z.',
    );
  }
  return {
    listen,
    upstream: dnsUpstream === undefined ? undefined : readDnsUpstream(dnsUpstream),
    authoritative: dnsAuthoritative,
  };
}

const UNIX = 'unix:';

function readDnsUpstream(text: string): DnsUpstreamAddress {
  if (text.startsWith(UNIX)) {
    const path = text.slice(UNIX.length);
    return path === '' ? refuse('--dns-upstream', 'unix: needs a path') : { kind: 'unix', path };
  }
  const { host, port } = splitAddress('--dns-upstream', text);
  if (isIP(host) === 0 || port === 0) {
    return refuse('--dns-upstream', `"${text}" is neither IP:PORT nor unix:PATH`, 'A name server can not have a name.');
  }
  return { kind: 'ip', address: host, port };
}

function splitAddress(flag: string, text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return refuse(flag, `"${text}" is not ADDRESS:PORT`);
  return { host: match[1] ?? match[2] ?? '', port };
}

function readListenFd(flag: string, text: string): readonly [string, number] {
  const split = text.lastIndexOf('=');
  if (split === -1) return refuse(flag, `"${text}" is not ADDRESS:PORT=FD`);
  const address = text.slice(0, split);
  splitAddress(flag, address);
  return [address, readFd(flag, text.slice(split + 1))];
}

/** More threads than twice the cores only wait for each other. */
function readConcurrency(text: string, cores: number): number {
  const [count, most] = [Number(text), 2 * cores];
  if (!/^\d+$/.test(text) || count > most) {
    return refuse(
      '--concurrency',
      `"${text}" is not a number from 0 to ${most}, twice the cores`,
      'Leave it out for one thread, or say 0 for one per core.',
    );
  }
  return count === 0 ? cores : count;
}

function readCount(flag: string, text: string, most: number): number {
  const count = Number(text);
  return /^\d+$/.test(text) && count >= 1 && count <= most
    ? count
    : refuse(flag, `"${text}" is not a number from 1 to ${most}`);
}

const MAX_DRAIN_S = 86_400;

function readDrainTime(text: string): number {
  const seconds = Number(text);
  return /^\d+$/.test(text) && seconds <= MAX_DRAIN_S
    ? seconds * 1000
    : refuse('--drain-time-s', `"${text}" is not a number of seconds from 0 to ${MAX_DRAIN_S}`);
}

function readFd(flag: string, text: string): number {
  const fd = Number(text);
  return Number.isInteger(fd) && fd >= 3 && text.trim() !== ''
    ? fd
    : refuse(flag, `"${text}" is not a descriptor above 2`);
}

const MAX_MARK = 0xffff_ffff;

/** Decimal or `0x…`, as redirect rules write it. */
function readMark(text: string): number {
  const mark = Number(text);
  return /^(?:\d+|0x[\da-f]+)$/i.test(text) && mark > 0 && mark <= MAX_MARK
    ? mark
    : refuse('--socket-mark', `"${text}" is not a number from 1 to ${MAX_MARK}`);
}

export function readLevel(text: string): LogLevel {
  return (
    LOG_LEVELS.find((level) => level === text) ?? refuse('--log-level', `"${text}" is none of ${LOG_LEVELS.join(', ')}`)
  );
}
