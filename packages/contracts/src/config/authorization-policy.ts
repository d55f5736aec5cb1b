import type { Static } from 'typebox';
import { matchLabelsSelector, targetRef, targetRefs } from './common.ts';
import { choice, list, message, opt, text, type FieldMeta } from './meta.ts';

const refused = (what: string, mend: string): FieldMeta => ({
  effect: 'refused',
  reason: `${what}, which is not enforced yet: the rule would not mean what it says`,
  mend,
});
const TOKEN = refused('needs a checked token', 'Match principals, namespaces or ipBlocks.');
const CLIENT_ADDRESS = refused(
  'needs the client’s address from a trusted header',
  'Match ipBlocks, the address of the direct peer.',
);

const values = (meta: FieldMeta = {}) => opt(list(text({ minLength: 1 }), { minItems: 1, ...meta }));
const SERVICE_ACCOUNTS: FieldMeta = {
  since: '1.25',
  maxItems: 16,
  ...refused(
    'names accounts in short form',
    'Write the principal in full: <trust domain>/ns/<namespace>/sa/<account>.',
  ),
};
const TRUST_DOMAINS: FieldMeta = {
  since: '1.30',
  ...refused('matches trust domains', 'Match principals: <trust domain>/*.'),
};

const source = message({
  principals: values({ test: 'SE-06' }),
  notPrincipals: values(),
  requestPrincipals: values(TOKEN),
  notRequestPrincipals: values(TOKEN),
  namespaces: values(),
  notNamespaces: values(),
  ipBlocks: values(),
  notIpBlocks: values(),
  remoteIpBlocks: values({ since: '1.8', ...CLIENT_ADDRESS }),
  notRemoteIpBlocks: values({ since: '1.8', ...CLIENT_ADDRESS }),
  serviceAccounts: values(SERVICE_ACCOUNTS),
  notServiceAccounts: values(SERVICE_ACCOUNTS),
  trustDomains: values(TRUST_DOMAINS),
  notTrustDomains: values(TRUST_DOMAINS),
});

const operation = message({
  hosts: values(),
  notHosts: values(),
  ports: values(),
  notPorts: values(),
  methods: values(),
  notMethods: values(),
  paths: values(),
  notPaths: values(),
});

const rule = message({
  from: opt(list(message({ source: opt(source) }), { minItems: 1, maxItems: 512 })),
  to: opt(list(message({ operation: opt(operation) }), { minItems: 1 })),
  when: opt(
    list(
      message({ key: text({ minLength: 1 }), values: values(), notValues: values() }),
      refused('adds a condition', 'Express it with from.source and to.operation.'),
    ),
  ),
});

export const AuthorizationPolicySpec = message({
  selector: opt(matchLabelsSelector()),
  targetRef: targetRef(),
  targetRefs: targetRefs(),
  rules: opt(list(rule, { maxItems: 512 })),
  action: opt(
    choice(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'], {
      default: 'ALLOW',
      values: {
        AUDIT: { effect: 'refused', reason: 'writes no audit record yet', mend: 'Use ALLOW or DENY.' },
        CUSTOM: {
          effect: 'refused',
          reason: 'asks an external authorizer, which is not done yet',
          mend: 'Use ALLOW or DENY.',
        },
      },
    }),
  ),
  provider: opt(
    message(
      { name: opt(text()) },
      { since: '1.9', ...refused('names an external authorizer', 'Use ALLOW or DENY rules.') },
    ),
  ),
});

/** Who may do what to a workload, decided at the workload’s own proxy. */
export type AuthorizationPolicySpec = Static<typeof AuthorizationPolicySpec>;
export type AuthorizationRule = NonNullable<AuthorizationPolicySpec['rules']>[number];
export type AuthorizationSource = Static<typeof source>;
export type AuthorizationOperation = Static<typeof operation>;
