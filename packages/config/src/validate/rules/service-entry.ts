import { isIP } from 'node:net';
import type { SpecOf, WorkloadEntrySpec } from '@weft/contracts/config';
import type { Path } from '../../source/locate.ts';
import { shown } from '../formats.ts';
import { hostForm, isCidr, isDnsName } from '../hosts.ts';
import { exportTo, isFqdn, isUnixAddress, PROTOCOLS, protocol, selector, unique } from './common.ts';
import type { Rule, RuleContext } from './rule.ts';

type Entry = SpecOf<'ServiceEntry'>;

export const serviceEntry: Rule<'ServiceEntry'> = (spec, context) => {
  const { fail, warn, report } = context;
  const { endpoints = [], ports = [], addresses = [], resolution = 'NONE' } = spec;
  exportTo(spec.exportTo, ['spec', 'exportTo'], context, true);
  portList(spec, context);
  if (spec.resolution === undefined) {
    warn(
      'W0025',
      ['spec'],
      'without resolution the entry has NONE, which needs the caller’s original destination address',
      'Set resolution: STATIC or DNS.',
    );
  }
  for (const [index, address] of addresses.entries()) {
    const where = ['spec', 'addresses', index];
    if (!isCidr(address)) fail('W0019', where, `"${shown(address)}" is not an address or a range`);
    else if (address.includes('/') && !['NONE', 'STATIC'].includes(resolution)) {
      fail('W0024', where, `a range can not be used with resolution ${resolution}`, 'Use single addresses.');
    }
  }
  if (spec.workloadSelector !== undefined) {
    selector(spec.workloadSelector.labels, ['spec', 'workloadSelector', 'labels'], context);
    if (endpoints.length > 0)
      fail('W0015', ['spec'], 'endpoints and workloadSelector exclude each other', 'Keep one of them.');
  }
  byResolution(spec, context);
  for (const [index, endpoint] of endpoints.entries()) {
    const where = ['spec', 'endpoints', index];
    address(endpoint, where, context, resolution === 'STATIC');
    for (const name of Object.keys(endpoint.ports ?? {})) {
      if (!ports.some((port) => port.name === name))
        fail('W0023', [...where, 'ports', name], `the entry has no port named "${shown(name)}"`);
    }
  }
  const tcp = ports.findIndex((port) => ['', 'TCP'].includes((port.protocol ?? '').toUpperCase()));
  if (tcp !== -1 && spec.hosts.length > 1 && resolution !== 'NONE') {
    fail(
      'W0024',
      ['spec', 'hosts'],
      'several hosts can not share a TCP port: connections carry no name',
      'Write one entry per host.',
    );
  }
  if (tcp !== -1 && addresses.length === 0 && (ports[tcp]?.protocol ?? '') !== '') {
    report({
      code: 'W0025',
      istioCode: 'IST0134',
      severity: 'warning',
      path: ['spec', 'ports', tcp],
      message: 'a TCP port without addresses is told apart by its number alone',
      fix: 'Give addresses.',
    });
  }
};

function portList({ ports = [] }: Entry, context: RuleContext): void {
  const { fail } = context;
  for (const [index, port] of ports.entries())
    protocol(port.protocol, PROTOCOLS, ['spec', 'ports', index, 'protocol'], context);
  const again = (field: string) => (index: number, value: string | number) =>
    fail('W0043', ['spec', 'ports', index, field], `two ports have the ${field} ${value}`, 'Change one.');
  unique(ports, ({ name }) => name, again('name'));
  unique(ports, ({ number }) => number, again('number'));
}

function byResolution(
  { hosts, endpoints = [], addresses = [], workloadSelector, resolution = 'NONE' }: Entry,
  { fail, warn }: RuleContext,
): void {
  const at = ['spec', 'resolution'];
  const wildcard = hosts.findIndex((host) => host.startsWith('*'));
  switch (resolution) {
    case 'NONE':
      if (endpoints.length > 0) fail('W0024', at, 'NONE takes no endpoints', 'Use STATIC.');
      return;
    case 'STATIC':
      if (endpoints.length === 0 && workloadSelector === undefined)
        warn('W0025', at, 'STATIC without endpoints has nowhere to connect to', 'Give endpoints.');
      return;
    case 'DNS_ROUND_ROBIN':
      if (endpoints.length > 1) fail('W0024', at, 'DNS_ROUND_ROBIN takes at most one endpoint', 'Use DNS.');
      break;
    case 'DYNAMIC_DNS':
      if (hosts.some((host) => !host.startsWith('*')))
        fail('W0024', at, 'DYNAMIC_DNS takes wildcard hosts only', 'Use DNS.');
      if (endpoints.length > 0 || addresses.length > 0)
        fail('W0024', at, 'DYNAMIC_DNS takes no addresses and no endpoints');
      return;
    case 'DNS':
      break;
  }
  if (endpoints.length === 0 && workloadSelector === undefined && wildcard !== -1) {
    fail('W0024', ['spec', 'hosts', wildcard], 'a wildcard can not be resolved', 'Give endpoints, or the full names.');
  }
}

/** An endpoint’s address; with `ipOnly` no name is allowed. */
function address(entry: WorkloadEntrySpec, path: Path, { fail, warn }: RuleContext, ipOnly: boolean): void {
  const where = [...path, 'address'];
  const { address: text = '' } = entry;
  if (text === '') {
    if (entry.network === undefined) fail('W0012', path, 'the address is missing');
    else warn('W0025', path, 'without an address the endpoint is not used');
    return;
  }
  if (text.startsWith('unix:')) {
    if (!isUnixAddress(text))
      fail('W0019', where, `"${shown(text)}" is not a socket path`, 'Write unix:///path/to/socket.');
    else if (Object.keys(entry.ports ?? {}).length > 0) fail('W0024', [...path, 'ports'], 'a socket path has no ports');
    return;
  }
  if (isIP(text) !== 0) return;
  if (ipOnly) fail('W0019', where, `"${shown(text)}" is not an IP address`, 'Use resolution: DNS for names.');
  else if (!isDnsName(text) || hostForm(text) !== 'name')
    fail('W0019', where, `"${shown(text)}" is neither an address nor a name`);
  else if (!isFqdn(text) && text !== 'localhost')
    warn('W0018', where, `"${shown(text)}" is a short name`, 'Write the full name.');
}

export const workloadEntry: Rule<'WorkloadEntry'> = (spec, context) => address(spec, ['spec'], context, false);
