import { describe, expect, it } from 'vitest';
import { appEnvironment, fillArguments } from './app-environment.ts';

describe('appEnvironment', () => {
  const outbound = [
    { hostname: 'reviews.default.svc.cluster.local', servicePort: 9080, bind: '127.20.3.2', port: 9080 },
    { hostname: 'reviews.default.svc.cluster.local', servicePort: 9090, bind: '127.20.3.2', port: 9090 },
    { hostname: 'my-db.default.svc.cluster.local', servicePort: 5432, bind: '127.20.3.3', port: 5432 },
    { hostname: 'secret.other.svc.cluster.local', servicePort: 80, bind: '127.20.3.4', port: 80 },
  ];

  it('names services of the own namespace as Kubernetes does, by their first port', () => {
    const env = appEnvironment({ host: '127.0.0.1', port: 4000, namespace: 'default', outbound });
    expect(env).toEqual({
      HOST: '127.0.0.1',
      PORT: '4000',
      REVIEWS_SERVICE_HOST: '127.20.3.2',
      REVIEWS_SERVICE_PORT: '9080',
      MY_DB_SERVICE_HOST: '127.20.3.3',
      MY_DB_SERVICE_PORT: '5432',
    });
  });

  it('sends programs that obey HTTP_PROXY through the sidecar, but not to loopback', () => {
    const env = appEnvironment({
      host: '127.0.0.1',
      port: 1,
      namespace: 'default',
      outbound: [],
      httpProxy: { bind: '127.20.3.1', port: 15080 },
    });
    expect(env).toMatchObject({ HTTP_PROXY: 'http://127.20.3.1:15080', NO_PROXY: 'localhost,127.0.0.0/8' });
  });
});

describe('fillArguments', () => {
  it('fills host and port wherever they stand', () => {
    expect(fillArguments(['app', '--listen={host}:{port}', '{port}'], '127.0.0.1', 81)).toEqual([
      'app',
      '--listen=127.0.0.1:81',
      '81',
    ]);
  });
});
