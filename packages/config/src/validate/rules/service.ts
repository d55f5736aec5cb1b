import { exportTo, unique } from './common.ts';
import { isDnsLabel } from '../hosts.ts';
import { shown } from '../formats.ts';
import type { Rule } from './rule.ts';

const EXPORT_TO = 'networking.istio.io/exportTo';

export const service: Rule<'Service'> = (spec, context) => {
  const { fail, report, annotations } = context;
  const { ports = [] } = spec;
  if (spec.type === 'ExternalName' && (spec.externalName ?? '') === '')
    fail('W0012', ['spec'], 'type ExternalName needs externalName');
  if (ports.length === 0 && spec.type !== 'ExternalName' && spec.clusterIP !== 'None')
    fail('W0012', ['spec'], 'there are no ports', 'Give at least one.');
  for (const [index, { name, targetPort }] of ports.entries()) {
    const where = ['spec', 'ports', index];
    if (ports.length > 1 && (name ?? '') === '')
      fail('W0012', where, 'the name is missing; it is needed when there are several ports');
    if (name !== undefined && name !== '' && !isDnsLabel(name))
      fail('W0020', [...where, 'name'], `"${shown(name)}" is not a name`, 'For example http-web.');
    if (typeof targetPort === 'number' && (targetPort < 1 || targetPort > 65_535))
      fail('W0014', [...where, 'targetPort'], `${targetPort} is not a port`);
    if (spec.type === 'ExternalName' && (name ?? '') === '') {
      report({
        code: 'W0025',
        istioCode: 'IST0150',
        severity: 'warning',
        path: where,
        message: 'an unnamed port of an external name is taken for TCP',
        fix: 'Name it, for example http.',
      });
    }
  }
  unique(
    ports,
    ({ name }) => (name === '' ? undefined : name),
    (index, name) => fail('W0043', ['spec', 'ports', index, 'name'], `two ports are named "${name}"`, 'Rename one.'),
  );
  unique(
    ports,
    ({ port, protocol = 'TCP' }) => `${port}/${protocol}`,
    (index, port) => fail('W0043', ['spec', 'ports', index, 'port'], `the port ${port} is given twice`, 'Change one.'),
  );
  const visible = annotations[EXPORT_TO];
  if (visible !== undefined) {
    const words = visible.split(',').map((word) => word.trim());
    exportTo(words, ['metadata', 'annotations', EXPORT_TO], context, true);
    for (const word of words) {
      if (!['*', '.', '~'].includes(word) && !isDnsLabel(word))
        fail('W0022', ['metadata', 'annotations', EXPORT_TO], `"${shown(word)}" is no namespace`);
    }
  }
};
