import { X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { certificate, roots } from '../test-support/certificates.ts';
import { givesOnlyBytes } from './peer-certificate.ts';
import { certificateOf, keptSession, sessionIdOf } from './tls-session.ts';

const { certificateChain: cert = '', privateKey: key = '' } = certificate('server');
const leaf = new X509Certificate(cert).raw;

/** Connections to a server of ours, one after the other. */
async function withServer(
  version: 'TLSv1.2' | 'TLSv1.3',
  use: (open: (session?: Buffer, before?: (socket: TLSSocket) => void) => Promise<Opened>) => Promise<void>,
): Promise<void> {
  const server = createServer({ cert, key, minVersion: version, maxVersion: version }, (socket) => {
    socket.on('error', () => {});
    socket.end('x');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await use(
      (session, before) =>
        new Promise((resolve, reject) => {
          const ca = roots().trustedCa;
          const socket = connect({
            host: '127.0.0.1',
            port,
            checkServerIdentity: () => undefined,
            ...(ca === undefined ? {} : { ca }),
            ...(session === undefined ? {} : { session }),
          });
          before?.(socket);
          let last = Buffer.alloc(0);
          let opened: Omit<Opened, 'session'> | undefined;
          socket.on('session', (one) => (last = one));
          socket.once('secureConnect', () => {
            opened = {
              resumed: socket.isSessionReused(),
              authorized: socket.authorized,
              raw: socket.getPeerCertificate().raw,
              own: socket.getSession(),
            };
          });
          socket.on('error', reject);
          socket.on('close', () => (opened === undefined ? undefined : resolve({ ...opened, session: last })));
          socket.resume();
        }),
    );
  } finally {
    server.close();
  }
}

interface Opened {
  readonly resumed: boolean;
  readonly authorized: boolean;
  readonly raw: Buffer | undefined;
  /** At the end of the handshake. */
  readonly own: Buffer | undefined;
  /** The last one that was to be kept. */
  readonly session: Buffer;
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a session of %s', (version) => {
  it("holds the peer's certificate, and is resumed by what is kept of it", async () => {
    await withServer(version, async (open) => {
      const first = await open();
      expect(first).toMatchObject({ resumed: false, authorized: true });
      expect(certificateOf(first.session)).toEqual(leaf);
      expect(first.own === undefined ? undefined : certificateOf(first.own)).toEqual(leaf);
      const kept = keptSession(first.session);
      expect(sessionIdOf(kept)).toBe(sessionIdOf(first.session));
      expect(certificateOf(kept)).toEqual(version === 'TLSv1.3' ? undefined : leaf);
      expect(await open(kept)).toMatchObject({ resumed: true, authorized: true });
    });
  });

  it("gives the certificate's bytes without the rest", async () => {
    await withServer(version, async (open) => {
      const { raw, authorized } = await open(undefined, givesOnlyBytes);
      expect([raw, authorized]).toEqual([leaf, true]);
    });
  });
});

it('what is no session holds nothing', () => {
  const bad = [
    '',
    '0',
    'no session',
    '0\x03\x02\x01\x01',
    '\0nodejs:tls:session:1\0',
    '\0nodejs:tls:session:1\0\xff\xff0\x01',
  ];
  for (const bytes of bad.map((text) => Buffer.from(text, 'latin1'))) {
    expect([certificateOf(bytes), sessionIdOf(bytes)]).toEqual([undefined, '']);
    expect(keptSession(bytes)).toEqual(bytes);
  }
});
