import type { Path } from '../../source/locate.ts';
import { shown } from '../formats.ts';
import { connectionPool, PROTOCOLS, protocol, selector, unique } from './common.ts';
import type { Rule, RuleContext } from './rule.ts';

export const sidecar: Rule<'Sidecar'> = (spec, context) => {
  const { fail, warn } = context;
  const { egress = [], ingress = [] } = spec;
  if (spec.workloadSelector !== undefined)
    selector(spec.workloadSelector.labels, ['spec', 'workloadSelector', 'labels'], context);
  if (
    egress.length === 0 &&
    ingress.length === 0 &&
    spec.outboundTrafficPolicy === undefined &&
    spec.inboundConnectionPool === undefined
  ) {
    fail('W0012', ['spec'], 'the Sidecar has no settings', 'Give egress, ingress or outboundTrafficPolicy.');
  }
  if (spec.outboundTrafficPolicy !== undefined && spec.outboundTrafficPolicy.mode === undefined) {
    warn('W0025', ['spec', 'outboundTrafficPolicy'], 'without a mode it means REGISTRY_ONLY', 'Write the mode.');
  }
  if (spec.outboundTrafficPolicy?.egressProxy !== undefined && spec.outboundTrafficPolicy.mode !== 'ALLOW_ANY') {
    fail('W0024', ['spec', 'outboundTrafficPolicy', 'egressProxy'], 'needs mode ALLOW_ANY');
  }
  for (const [index, { hosts, port }] of egress.entries()) {
    const where = ['spec', 'egress', index, 'hosts'];
    if (hosts.includes('*/*') && hosts.some((host) => host !== '*/*' && !host.startsWith('~'))) {
      warn('W0025', where, '*/* already holds every other host', 'Keep */* alone.');
    }
    unique(
      hosts,
      (host) => host,
      (at, host) => warn('W0025', [...where, at], `"${shown(host)}" is listed twice`, 'Keep one.'),
    );
    protocol(port?.protocol, PROTOCOLS, ['spec', 'egress', index, 'port', 'protocol'], context);
  }
  unique(
    egress,
    ({ port, bind }) => (port?.number === undefined ? undefined : `${bind ?? ''}:${port.number}`),
    (index) =>
      fail(
        'W0043',
        ['spec', 'egress', index, 'port'],
        'an earlier listener has the same address and port',
        'Change one.',
      ),
  );
  unique(
    egress,
    ({ port }) => (port === undefined ? 'none' : undefined),
    (index) => fail('W0043', ['spec', 'egress', index], 'only one listener may have no port', 'Join their hosts.'),
  );
  inbound(ingress, context);
  connectionPool(spec.inboundConnectionPool, ['spec', 'inboundConnectionPool'], context);
};

function inbound(ingress: NonNullable<Parameters<typeof sidecar>[0]['ingress']>, context: RuleContext): void {
  for (const [index, { port, defaultEndpoint, connectionPool: pool }] of ingress.entries()) {
    const where = ['spec', 'ingress', index];
    if ((port.number ?? 0) === 0) context.fail('W0012', [...where, 'port'], 'the port number is missing');
    protocol(port.protocol, PROTOCOLS, [...where, 'port', 'protocol'], context);
    endpoint(defaultEndpoint, [...where, 'defaultEndpoint'], context);
    connectionPool(pool, [...where, 'connectionPool'], context);
  }
  unique(
    ingress,
    ({ port }) => port.number,
    (index, number) =>
      context.fail('W0043', ['spec', 'ingress', index, 'port'], `port ${number} is listened on twice`, 'Change one.'),
  );
}

function endpoint(text: string | undefined, path: Path, { fail }: RuleContext): void {
  if (text === undefined || text === '') return;
  if (/^unix:\/\/.+/.test(text)) return;
  const [, port] = /^(?:127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
    fail(
      'W0019',
      path,
      `"${shown(text)}" is not an endpoint of this workload`,
      'Write 127.0.0.1:PORT, 0.0.0.0:PORT or unix:///path.',
    );
  }
}
