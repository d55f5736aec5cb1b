/**
 * The second line behind validation: objects that reached the control plane from a store which does not refuse them, and
 * that say more than is enforced. What restricts fails closed; what routes is left out; each is named here.
 */
import type { Problem } from '@weft/config';
import type { RegisteredWorkload } from '@weft/contracts';
import type { Config } from '../config-store/config-object.ts';
import type { AuthorizationPolicySpec, AuthorizationRule, GatewayServer } from '../config-store/kinds.ts';
import type { MeshConfig } from '../config-store/mesh-config.ts';
import { problemIn } from '../config-store/problem-in.ts';
import { expressionFault } from './expression-fault.ts';
import { isHttp, parseProtocol } from '../model/protocol.ts';

export function diagnose(config: MeshConfig): readonly Problem[] {
  return [
    ...config.gateways.flatMap((gateway) =>
      (gateway.spec.servers ?? []).flatMap((server, index) =>
        isServable(server)
          ? []
          : [
              problem(
                gateway,
                `spec.servers[${index}]`,
                `a ${server.port.protocol} server${server.tls ? ' with tls' : ''} is not served by gateways yet, so its port stays closed`,
                'Use a server with protocol HTTP and no tls.',
              ),
            ],
      ),
    ),
    ...config.virtualServices.flatMap((virtualService) =>
      (virtualService.spec.http ?? []).flatMap((route, index) =>
        route.delegate
          ? [
              problem(
                virtualService,
                `spec.http[${index}].delegate`,
                'delegates are not merged yet, so this route matches nothing',
                'Write the delegate’s routes into this VirtualService.',
              ),
            ]
          : [],
      ),
    ),
    ...config.settings
      .slice(1)
      .map((settings) =>
        problem(
          settings,
          'spec',
          'another MeshConfig is older and counts; this one has no effect',
          'Keep one of them.',
        ),
      ),
    ...config.authorizationPolicies.flatMap(authorizationProblems),
    ...config.telemetries.flatMap((telemetry) =>
      (telemetry.spec.accessLogging ?? []).flatMap(({ filter }, index) => {
        const fault = expressionFault(filter?.expression ?? '');
        const place = `spec.accessLogging[${index}].filter.expression`;
        return fault === undefined
          ? []
          : [problem(telemetry, place, `${fault}; everything is logged`, 'Mend the CEL expression.')];
      }),
    ),
    ...config.destinationRules.flatMap((rule) =>
      [rule.spec.trafficPolicy, ...(rule.spec.subsets ?? []).map((subset) => subset.trafficPolicy)].some((policy) =>
        [policy, ...(policy?.portLevelSettings ?? [])].some((block) => (block?.tls?.credentialName ?? '') !== ''),
      )
        ? [
            problem(
              rule,
              'spec.trafficPolicy.tls.credentialName',
              'credentials by name are not served yet: connections are made with the system’s roots and no client certificate',
              'Name files: caCertificates, clientCertificate and privateKey.',
            ),
          ]
        : [],
    ),
  ];
}

/** What needs callers to be redirected, where they dial their sidecars. */
export function diagnoseInterception(config: MeshConfig, workloads: Iterable<RegisteredWorkload>): readonly Problem[] {
  if (![...workloads].some(({ interception }) => interception.mode === 'loopback')) return [];
  const bySubnet = config.virtualServices.flatMap((virtualService) =>
    (virtualService.spec.tcp ?? []).flatMap((route, index) =>
      (route.match ?? []).some(({ destinationSubnets = [] }) => destinationSubnets.length > 0)
        ? [
            {
              ...problem(
                virtualService,
                `spec.tcp[${index}].match`,
                'workloads of the loopback form dial their sidecars, so that no subnet is known: for them this route is passed over',
                'Add a route without destinationSubnets, or use the isolated form.',
              ),
              code: 'W0031' as const,
              severity: 'warning' as const,
            },
          ]
        : [],
    ),
  );
  const byCaller = config.destinationRules.flatMap((rule) =>
    [rule.spec.trafficPolicy, ...(rule.spec.subsets ?? []).map((subset) => subset.trafficPolicy)].some((policy) =>
      [policy, ...(policy?.portLevelSettings ?? [])].some((block) => block?.loadBalancer?.simple === 'PASSTHROUGH'),
    )
      ? [
          {
            ...problem(
              rule,
              'spec.trafficPolicy.loadBalancer.simple',
              'workloads of the loopback form dial their sidecars and so choose no instance: for them the balancer does',
              'Use another policy, or the isolated form.',
            ),
            code: 'W0031' as const,
            severity: 'warning' as const,
          },
        ]
      : [],
  );
  return [...bySubnet, ...byCaller];
}

/** Plain HTTP, also as HTTP/2 and gRPC; a `tls` block only for the redirect to https. */
export function isServable(server: GatewayServer): boolean {
  const protocol = parseProtocol(server.port.protocol);
  return (
    protocol !== undefined &&
    isHttp(protocol) &&
    (server.tls === undefined || (server.tls.httpsRedirect === true && server.tls.mode === undefined))
  );
}

const TOKEN_FIELDS = ['requestPrincipals', 'notRequestPrincipals'] as const;
const SUPPORTED_KEYS =
  /^(?:source\.(?:ip|namespace|principal|serviceAccount)|remote\.ip|destination\.(?:ip|port)|connection\.sni|request\.headers\[.+\])$/;

function authorizationProblems(policy: Config<AuthorizationPolicySpec>): readonly Problem[] {
  const action = policy.spec.action ?? 'ALLOW';
  if (action === 'CUSTOM') {
    return [
      problem(
        policy,
        'spec.action',
        'no external authorizer is asked yet: what the rules match is denied',
        'Use ALLOW or DENY.',
      ),
    ];
  }
  if (action === 'AUDIT')
    return [problem(policy, 'spec.action', 'no audit record is written yet', 'Use ALLOW or DENY.')];
  const outcome = action === 'DENY' ? 'the rule denies without this condition' : 'the rule allows nothing';
  return (policy.spec.rules ?? []).flatMap((rule, index) =>
    undecidable(rule).map((path) =>
      problem(
        policy,
        `spec.rules[${index}].${path}`,
        `this is not decided yet: ${outcome}`,
        'Match principals, namespaces or ipBlocks.',
      ),
    ),
  );
}

function undecidable(rule: AuthorizationRule): readonly string[] {
  const from = (rule.from ?? []).flatMap(({ source }, index) =>
    TOKEN_FIELDS.filter((field) => (source?.[field] ?? []).length > 0).map((field) => `from[${index}].source.${field}`),
  );
  const when = (rule.when ?? []).flatMap(({ key }, index) => (SUPPORTED_KEYS.test(key) ? [] : [`when[${index}].key`]));
  return [...from, ...when];
}

const problem = (config: Config<unknown>, path: string, message: string, fix: string): Problem =>
  problemIn(config, { code: 'W0030', severity: 'error', path, message, fix });
