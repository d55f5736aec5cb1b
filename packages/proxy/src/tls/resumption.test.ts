// What a client may do with the session of an earlier connection, whatever it was by then.
import { connect as connectTls } from 'node:tls';
import { systemClock } from '@weft/kit';
import { createTestAuthority } from '@weft/testkit';
import { expect, it } from 'vitest';
import { spiffe } from '../test-support/certificates.ts';
import { startProxy, TestSecrets } from '../test-support/harness.ts';
import { serverSocket } from '../test-support/mutual-tls.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { echoUpstream } from '../test-support/upstream.ts';

const HOUR_MS = 3_600_000;

interface Spoken {
  readonly answer: string;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
}

it('the session of a client ends with its certificate, and with the roots that it was held to', async () => {
  const authority = createTestAuthority();
  const own = authority.issue(spiffe('server'));
  const client = authority.issue(spiffe('client'), HOUR_MS);
  const secrets = new TestSecrets();
  secrets.set('default', { certificateChain: own.certChainPem, privateKey: own.privateKeyPem });
  secrets.set('ROOTCA', { trustedCa: authority.rootsPem });
  let laterMs = 0;
  await using app = await echoUpstream('app');
  await using callee = await startProxy(
    resourceSet({
      listeners: [listener('inbound', [httpChain(routes(toCluster('app')), {}, { transportSocket: serverSocket })])],
      clusters: [staticCluster('app', [app.port])],
    }),
    { secrets, clock: { ...systemClock, now: () => systemClock.now() + laterMs } },
  );
  const speak = (session?: Buffer): Promise<Spoken> =>
    new Promise((resolve) => {
      let given: Buffer | undefined;
      let answer = '';
      let resumed = false;
      const socket = connectTls({
        host: '127.0.0.1',
        port: callee.portOf('inbound'),
        ca: authority.rootsPem,
        checkServerIdentity: () => undefined,
        // Who has a session needs no key.
        ...(session === undefined ? { cert: client.certChainPem, key: client.privateKeyPem } : { session }),
      });
      socket.on('session', (one) => (given = one));
      socket.once('secureConnect', () => (resumed = socket.isSessionReused()));
      socket.on('data', (data) => (answer += data.toString('latin1')));
      socket.on('error', () => {});
      socket.on('close', () => resolve({ answer: answer.slice(0, 12), resumed, session: given }));
      socket.write('GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n');
    });
  const first = await speak();
  expect(first).toMatchObject({ answer: 'HTTP/1.1 200', resumed: false });
  expect(await speak(first.session)).toMatchObject({ answer: 'HTTP/1.1 200', resumed: true });
  expect(callee.records.map(({ sourcePrincipal }) => sourcePrincipal)).toEqual([spiffe('client'), spiffe('client')]);

  laterMs = HOUR_MS;
  expect(await speak(first.session)).toMatchObject({ answer: '', resumed: true });
  laterMs = 0;
  expect(await speak(first.session)).toMatchObject({ answer: 'HTTP/1.1 200', resumed: true });

  secrets.set('ROOTCA', { trustedCa: createTestAuthority('others').rootsPem });
  expect(await speak(first.session)).toMatchObject({ answer: '', resumed: false });
});
