import { RBAC_Action } from '@weft/contracts/lean/envoy/config/rbac/v3/rbac';
import { RBACSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/rbac/v3/rbac';
import { describe, expect, it } from 'vitest';
import { exchange, startProxy, type TestProxy } from '../../../test-support/harness.ts';
import {
  httpChain,
  listener,
  pack,
  resourceSet,
  routes,
  staticCluster,
  toCluster,
} from '../../../test-support/resources.ts';
import { echoUpstream, type TestServer } from '../../../test-support/upstream.ts';

const withRole = (app: TestServer, action: RBAC_Action, role: string): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [
          httpChain(routes(toCluster('app')), {
            httpFilters: [
              {
                name: 'rbac',
                configType: {
                  case: 'typedConfig',
                  value: pack(RBACSchema, {
                    rules: {
                      action,
                      policies: {
                        roles: {
                          permissions: [{ rule: { case: 'any', value: true } }],
                          principals: [
                            {
                              identifier: {
                                case: 'header',
                                value: {
                                  name: 'x-role',
                                  headerMatchSpecifier: {
                                    case: 'stringMatch',
                                    value: { matchPattern: { case: 'prefix', value: role } },
                                  },
                                },
                              },
                            },
                          ],
                        },
                      },
                    },
                  }),
                },
              },
            ],
          }),
        ]),
      ],
      clusters: [staticCluster('app', [app.port])],
    }),
  );

const ask = async (proxy: TestProxy, ...roles: string[]): Promise<number> => {
  const lines = roles.map((role, i) => `${i % 2 === 0 ? 'X-Role' : 'x-role'}: ${role}\r\n`).join('');
  const text = await exchange(proxy.portOf('in'), `GET / HTTP/1.1\r\nhost: h\r\n${lines}\r\n`, '\r\n\r\n');
  return Number(text.split(' ')[1]);
};

describe('a header that comes in several lines', () => {
  it('opens nothing by one of them', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withRole(app, RBAC_Action.ALLOW, 'admin');
    expect(await ask(proxy, 'admin')).toBe(200);
    expect(await ask(proxy, 'admin-1', 'admin-2')).toBe(200);
    expect(await ask(proxy, 'admin, with a comma')).toBe(200);
    for (const roles of [['user', 'admin'], ['admin', 'user'], ['admin', 'user', 'admin'], []])
      expect(await ask(proxy, ...roles)).toBe(403);
  });

  it('is found wherever it stands', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withRole(app, RBAC_Action.DENY, 'guest');
    expect(await ask(proxy, 'user', 'admin')).toBe(200);
    for (const roles of [['guest'], ['user', 'guest'], ['guest', 'user'], ['user', 'guest', 'user']])
      expect(await ask(proxy, ...roles)).toBe(403);
  });
});
