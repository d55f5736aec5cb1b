import { describe, expect, it } from 'vitest';
import { type ProxyFlags, readOptions as readOptionsFor } from './options.ts';

const CORES = 4;
const readOptions = (flags: ProxyFlags) => readOptionsFor(flags, CORES);
const NODE = 'sidecar~127.66.3.1~reviews-v1.default~default.svc.cluster.local';

const NAMED = { xds: '127.0.0.1:15012', xdsServerName: 'istiod.istio-system.svc', secretsDir: '/certs' };

describe('readOptions', () => {
  it('reads who else than Weft serves discovery, and where secrets may be', () => {
    const named = readOptions({ nodeId: NODE, ...NAMED, secretFiles: ['/a', '/b'], systemRoots: '/roots.pem' });
    expect(named).toMatchObject({
      xdsServer: { name: 'istiod.istio-system.svc', rootsFile: undefined, tokenFile: undefined },
      secretFolders: ['/a', '/b'],
      systemRoots: '/roots.pem',
    });
    const byToken = { xds: NAMED.xds, xdsServerName: 'a.test', xdsRoots: '/r', xdsToken: '/t' };
    expect(readOptions({ nodeId: NODE, ...byToken }).xdsServer).toMatchObject({ rootsFile: '/r', tokenFile: '/t' });
  });

  it('reads all flags', () => {
    expect(
      readOptions({
        nodeId: NODE,
        metadata: '{"NAMESPACE":"default"}',
        xds: '127.0.0.1:15012',
        saveDir: '/s',
        admin: '127.66.3.1:15000',
        listenFd: ['127.66.3.1:9080=4', '[::1]:80=5'],
        datagramFd: ['127.0.0.1:15053=6'],
        replace: true,
        drainTimeS: '5',
        maxConnections: '500',
        maxMemoryMib: '2',
        parentFd: '3',
        socketMark: '0x539',
        dnsListen: '127.0.0.1:15053',
        dnsUpstream: '10.96.0.10:53',
        dnsAuthoritative: true,
        concurrency: '3',
        logLevel: 'debug',
        rejectUnknownDynamicFields: true,
      }),
    ).toEqual({
      nodeId: NODE,
      metadata: { NAMESPACE: 'default' },
      socketMark: 1337,
      xdsAddress: '127.0.0.1:15012',
      xdsPlaintext: false,
      xdsServer: undefined,
      secretsDir: undefined,
      secretFolders: [],
      systemRoots: undefined,
      saveDir: '/s',
      admin: { host: '127.66.3.1', port: 15_000 },
      adminTokenFile: undefined,
      inherited: new Map([
        ['127.66.3.1:9080', 4],
        ['[::1]:80', 5],
      ]),
      inheritedDatagrams: new Map([['127.0.0.1:15053', 6]]),
      replaces: true,
      drainTimeMs: 5_000,
      maxConnections: 500,
      maxWaitingHandshakes: 1024,
      maxMemoryBytes: 2_097_152,
      parentFd: 3,
      dns: {
        listen: { host: '127.0.0.1', port: 15_053 },
        upstream: { kind: 'ip', address: '10.96.0.10', port: 53 },
        authoritative: true,
      },
      concurrency: 3,
      logLevel: 'debug',
      refuseUnknownFields: true,
    });
  });
  it('has defaults for all but the node', () => {
    expect(readOptions({ nodeId: NODE })).toMatchObject({
      metadata: {},
      xdsAddress: undefined,
      parentFd: undefined,
      logLevel: 'info',
      concurrency: 1,
    });
    expect(readOptions({ nodeId: NODE, concurrency: '0' }).concurrency).toBe(CORES);
    expect(readOptions({ nodeId: NODE, xds: 'unix:/run/x.sock' }).xdsAddress).toBe('unix:/run/x.sock');
  });
  it('takes a control plane without TLS where nobody is on the way, and certificates from a folder', () => {
    for (const xds of ['127.0.0.1:15010', '[::1]:15010', 'unix:/run/xds'])
      expect(readOptions({ nodeId: NODE, xds, xdsPlaintext: true, secretsDir: '/certs' })).toMatchObject({
        xdsPlaintext: true,
        secretsDir: '/certs',
      });
  });
  it('takes name servers behind a socket of this machine, and does without any', () => {
    const dnsOf = (flags: Partial<ProxyFlags>) => readOptions({ nodeId: NODE, dnsListen: '127.0.0.1:0', ...flags }).dns;
    expect(dnsOf({})?.upstream).toBeUndefined();
    expect(dnsOf({ dnsUpstream: 'unix:/run/dns.sock' })?.upstream).toEqual({ kind: 'unix', path: '/run/dns.sock' });
    expect(dnsOf({ dnsUpstream: '[fd00::1]:53' })?.upstream).toEqual({ kind: 'ip', address: 'fd00::1', port: 53 });
    expect(readOptions({ nodeId: NODE }).dns).toBeUndefined();
  });
  it.each<[string, Partial<ProxyFlags>]>([
    ['--node-id: "reviews" is not TYPE~IP~NAME.NAMESPACE~DOMAIN', { nodeId: 'reviews' }],
    ['--concurrency: "9" is not a number from 0 to 8, twice the cores', { concurrency: '9' }],
    ['--concurrency: "many" is not a number', { concurrency: 'many' }],
    ['--metadata: is not JSON', { metadata: '{' }],
    ['--metadata: is not a JSON object', { metadata: '[]' }],
    ['--xds: "here" is not ADDRESS:PORT', { xds: 'here' }],
    ['--xds: "a:99999" is not ADDRESS:PORT', { xds: 'a:99999' }],
    ['--xds-plaintext: needs --xds', { xdsPlaintext: true }],
    [
      '--xds-plaintext: istiod.istio-system:15010 is neither a loopback address nor a Unix socket',
      { xds: 'istiod.istio-system:15010', xdsPlaintext: true },
    ],
    ['--admin-token: needs --admin', { adminToken: '/t' }],
    ['--admin-token: is of no use with --parent-fd', { admin: '127.0.0.1:1', adminToken: '/t', parentFd: '3' }],
    ['--xds-roots: needs --xds-server-name', { xdsRoots: '/r' }],
    ['--xds-token: needs --xds-server-name', { xdsToken: '/t' }],
    ['--xds-server-name: "a b" is neither a DNS name nor a SPIFFE id', { ...NAMED, xdsServerName: 'a b' }],
    ['--xds-server-name: needs --xds', { xdsServerName: 'istiod.test' }],
    ['--xds-server-name: is of no use with --xds-plaintext', { ...NAMED, xdsPlaintext: true }],
    ['--xds-server-name: is of no use with --parent-fd', { xds: NAMED.xds, xdsServerName: 'a.test', parentFd: '3' }],
    ['--xds-server-name: needs roots', { xds: NAMED.xds, xdsServerName: 'a.test', xdsToken: '/t' }],
    [
      '--xds-server-name: needs something that says who asks',
      { xds: NAMED.xds, xdsServerName: 'a.test', xdsRoots: '/r' },
    ],
    ['--secret-files: "certs" is not an absolute path', { secretFiles: ['certs'] }],
    ['--secrets-dir: is of no use with --parent-fd', { secretsDir: '/certs', parentFd: '3' }],
    ['--admin: 0.0.0.0 is not a loopback address', { admin: '0.0.0.0:15000' }],
    ['--listen-fd: "127.0.0.1:80" is not ADDRESS:PORT=FD', { listenFd: ['127.0.0.1:80'] }],
    ['--listen-fd: "1" is not a descriptor above 2', { listenFd: ['127.0.0.1:80=1'] }],
    ['--datagram-fd: "2" is not a descriptor above 2', { datagramFd: ['127.0.0.1:53=2'] }],
    ['--replace: is of no use without --parent-fd', { replace: true }],
    ['--max-connections: "0" is not a number from 1', { maxConnections: '0' }],
    ['--max-memory-mib: "much" is not a number from 1', { maxMemoryMib: 'much' }],
    ['--drain-time-s: "soon" is not a number of seconds', { drainTimeS: 'soon' }],
    ['--parent-fd: "x" is not a descriptor above 2', { parentFd: 'x' }],
    ['--socket-mark: "0" is not a number from 1 to', { socketMark: '0' }],
    ['--socket-mark: "1e3" is not a number', { socketMark: '1e3' }],
    ['--socket-mark: "4294967296" is not a number', { socketMark: '4294967296' }],
    ['--log-level: "loud" is none of', { logLevel: 'loud' }],
    ['--dns-listen: 0.0.0.0 is not a loopback address', { dnsListen: '0.0.0.0:15053' }],
    ['--dns-listen: localhost is not a loopback address', { dnsListen: 'localhost:15053' }],
    ['--dns-authoritative: is of no use without --dns-listen', { dnsAuthoritative: true }],
    ['--dns-upstream: is of no use without --dns-listen', { dnsUpstream: '10.0.0.1:53' }],
    [
      '--dns-upstream: "dns.example.com:53" is neither IP:PORT nor unix:PATH',
      { dnsListen: '127.0.0.1:1', dnsUpstream: 'dns.example.com:53' },
    ],
    ['--dns-upstream: unix: needs a path', { dnsListen: '127.0.0.1:1', dnsUpstream: 'unix:' }],
  ])('%s', (message, flags) => {
    expect(() => readOptions({ nodeId: NODE, ...flags })).toThrow(message);
  });
});
