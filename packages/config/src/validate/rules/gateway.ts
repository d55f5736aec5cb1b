import { isIP } from 'node:net';
import { shown } from '../formats.ts';
import { protocol, unique } from './common.ts';
import type { Rule } from './rule.ts';

const SERVED = ['HTTP', 'HTTPS', 'GRPC', 'GRPC-WEB', 'HTTP2', 'MONGO', 'TCP', 'TLS'];

export const gateway: Rule<'Gateway'> = (spec, context) => {
  const { fail } = context;
  const servers = spec.servers ?? [];
  if (servers.length === 0) fail('W0012', ['spec'], 'there are no servers', 'Give at least one.');
  for (const [key, value] of Object.entries(spec.selector ?? {})) {
    if (`${key}${value}`.includes('*'))
      fail('W0020', ['spec', 'selector', key], 'wildcards are not allowed in selectors');
  }
  for (const [index, server] of servers.entries()) {
    const where = ['spec', 'servers', index];
    protocol(server.port.protocol, SERVED, [...where, 'port', 'protocol'], context);
    if (server.port.number === 0) fail('W0014', [...where, 'port', 'number'], 'is 0', 'Give a port from 1 to 65535.');
    const settings = Object.keys(server.tls ?? {}).filter((field) => field !== 'httpsRedirect');
    if (['HTTPS', 'TLS'].includes(server.port.protocol.toUpperCase()) && settings.length === 0) {
      fail('W0024', where, `protocol ${server.port.protocol} needs tls`, 'Use protocol HTTP until TLS is served.');
    }
    if (server.tls !== undefined && Object.keys(server.tls).length === 0) {
      fail('W0030', [...where, 'tls'], 'an empty tls means PASSTHROUGH, which is not served yet', 'Remove it.');
    }
    if (server.bind !== undefined && server.bind !== '' && isIP(server.bind) === 0) {
      fail(
        'W0019',
        [...where, 'bind'],
        `"${shown(server.bind)}" is not an IP address`,
        'Sockets with a path are not served.',
      );
    }
    if (['TCP', 'MONGO'].includes(server.port.protocol.toUpperCase()) && server.tls !== undefined) {
      fail('W0024', [...where, 'tls'], `has no place on a ${server.port.protocol} port`);
    }
    unique(
      server.hosts,
      (host) => host.toLowerCase(),
      (at, host) => fail('W0043', [...where, 'hosts', at], `"${host}" is listed twice`, 'Keep one.'),
    );
  }
  unique(
    servers,
    ({ port }) => port.name,
    (index, name) =>
      fail('W0043', ['spec', 'servers', index, 'port', 'name'], `two ports are named "${name}"`, 'Rename one.'),
  );
};
