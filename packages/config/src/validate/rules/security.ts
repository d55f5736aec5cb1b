import type { AuthorizationOperation, AuthorizationSource } from '@weft/contracts/config';
import type { Path } from '../../source/locate.ts';
import { shown } from '../formats.ts';
import { isCidr } from '../hosts.ts';
import { selector } from './common.ts';
import type { Rule, RuleContext } from './rule.ts';

export const peerAuthentication: Rule<'PeerAuthentication'> = (spec, context) => {
  const { fail } = context;
  if (spec.selector !== undefined) selector(spec.selector.matchLabels, ['spec', 'selector', 'matchLabels'], context);
  const ports = Object.keys(spec.portLevelMtls ?? {});
  if (ports.length > 0 && Object.keys(spec.selector?.matchLabels ?? {}).length === 0) {
    fail(
      'W0024',
      ['spec', 'portLevelMtls'],
      'needs a selector: ports belong to workloads',
      'Add selector.matchLabels.',
    );
  }
  for (const port of ports) {
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
      fail(
        'W0014',
        ['spec', 'portLevelMtls', port],
        `"${shown(port)}" is not a port`,
        'Use the workload’s port, 1 to 65535.',
      );
    }
  }
};

export const requestAuthentication: Rule<'RequestAuthentication'> = (spec, context) => {
  if (spec.selector !== undefined) selector(spec.selector.matchLabels, ['spec', 'selector', 'matchLabels'], context);
  for (const [index, rule] of (spec.jwtRules ?? []).entries()) {
    if ((rule.issuer ?? '') === '' && (rule.jwksUri ?? '') === '') {
      context.fail('W0012', ['spec', 'jwtRules', index], 'the issuer is missing', 'Give issuer or jwksUri.');
    }
  }
};

export const authorizationPolicy: Rule<'AuthorizationPolicy'> = (spec, context) => {
  const { fail, report } = context;
  if (spec.selector !== undefined) selector(spec.selector.matchLabels, ['spec', 'selector', 'matchLabels'], context);
  if (spec.selector !== undefined && (spec.targetRef !== undefined || spec.targetRefs !== undefined)) {
    fail('W0015', ['spec'], 'selector and targetRefs exclude each other', 'Keep the selector.');
  }
  const { action = 'ALLOW', rules } = spec;
  if (action === 'DENY' && (rules?.length ?? 0) === 0) {
    fail('W0012', ['spec'], 'DENY without rules denies nothing', 'Give rules; rules: [{}] denies everything.');
  }
  if (action === 'ALLOW' && (rules?.length ?? 0) === 0) {
    report({
      code: 'W0025',
      severity: 'info',
      path: ['spec'],
      message: 'ALLOW without rules denies every request',
      fix: 'Write rules: [{}] to allow everything.',
    });
  }
  for (const [r, rule] of (rules ?? []).entries()) {
    const where = ['spec', 'rules', r];
    for (const [f, { source }] of (rule.from ?? []).entries()) sourceRule(source, [...where, 'from', f], context);
    for (const [t, { operation }] of (rule.to ?? []).entries()) operationRule(operation, [...where, 'to', t], context);
  }
};

function sourceRule(source: AuthorizationSource | undefined, path: Path, context: RuleContext): void {
  const { fail, warn } = context;
  if (source === undefined || Object.keys(source).length === 0) {
    fail('W0012', path, 'the source is empty', 'Leave from out to mean every caller.');
    return;
  }
  const where = [...path, 'source'];
  for (const field of ['ipBlocks', 'notIpBlocks'] as const) {
    for (const [index, block] of (source[field] ?? []).entries()) {
      if (!isCidr(block))
        fail('W0019', [...where, field, index], `"${shown(block)}" is not an address or a range such as 10.0.0.0/8`);
    }
  }
  for (const field of ['principals', 'notPrincipals'] as const) {
    for (const [index, principal] of (source[field] ?? []).entries()) {
      if (principal.startsWith('spiffe://')) {
        fail(
          'W0013',
          [...where, field, index],
          'a principal is written without its scheme',
          `Write ${shown(principal.slice('spiffe://'.length))}.`,
        );
      } else if (!principal.includes('*') && !/^[^/]+\/ns\/[^/]+\/sa\/[^/]+$/.test(principal)) {
        warn(
          'W0025',
          [...where, field, index],
          `"${shown(principal)}" is not of the form domain/ns/namespace/sa/account, so it matches nobody`,
        );
      }
      wildcardForm(principal, [...where, field, index], context);
    }
  }
}

const TEMPLATE = /\{\*{1,2}\}/;

function operationRule(operation: AuthorizationOperation | undefined, path: Path, context: RuleContext): void {
  const { fail, warn, report } = context;
  if (operation === undefined || Object.keys(operation).length === 0) {
    fail('W0012', path, 'the operation is empty', 'Leave to out to mean every operation.');
    return;
  }
  const where = [...path, 'operation'];
  for (const field of ['ports', 'notPorts'] as const) {
    for (const [index, port] of (operation[field] ?? []).entries()) {
      if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
        fail('W0014', [...where, field, index], `"${shown(port)}" is not a port`, 'Use the workload’s port.');
    }
  }
  for (const field of ['methods', 'notMethods'] as const) {
    for (const [index, method] of (operation[field] ?? []).entries()) {
      if (method !== method.toUpperCase())
        warn(
          'W0025',
          [...where, field, index],
          `"${shown(method)}" matches no usual request: methods are in capitals`,
          `Write ${shown(method.toUpperCase())}.`,
        );
    }
  }
  for (const field of ['paths', 'notPaths'] as const) {
    for (const [index, pattern] of (operation[field] ?? []).entries()) {
      if (TEMPLATE.test(pattern)) {
        report({
          code: 'W0030',
          severity: 'error',
          path: [...where, field, index],
          message: 'path templates are not enforced yet: the rule would not mean what it says',
          fix: 'Use an exact path, a prefix (/a/*) or a suffix (*/b).',
        });
      } else if (/[?#]/.test(pattern)) {
        warn('W0025', [...where, field, index], 'a path is matched without its query');
      }
      if (!TEMPLATE.test(pattern)) wildcardForm(pattern, [...where, field, index], context);
    }
  }
}

/** A star counts at the beginning or at the end only; elsewhere it is an ordinary character. */
function wildcardForm(value: string, path: Path, { warn }: RuleContext): void {
  const inner = value.startsWith('*') ? value.slice(1) : value.endsWith('*') ? value.slice(0, -1) : value;
  if (inner.includes('*'))
    warn(
      'W0025',
      path,
      `the star inside "${shown(value)}" stands for itself`,
      'Use one star, at the beginning or at the end.',
    );
}
