/** Checks across objects. Each is a function of the surroundings that reports what it finds. */
import type { ConfigObject, Destination } from '@weft/contracts/config';
import type { Finding } from '../validate/finding.ts';
import type { Path } from '../source/locate.ts';
import { nearest } from '../validate/names.ts';
import { overlaps } from '../validate/hosts.ts';
import type { Surroundings } from './index-objects.ts';
import { matchesLabels } from './world.ts';

export type Note = (
  object: ConfigObject,
  finding: Omit<Finding, 'severity'> & { readonly severity?: Finding['severity'] },
) => void;
export type CrossCheck = (around: Surroundings, note: Note) => void;

/** Hosts, subsets and ports that routes name. */
const destinations: CrossCheck = (around, note) => {
  for (const object of around.of('VirtualService')) {
    const { namespace } = object.metadata;
    for (const [path, destination] of destinationsOf(object)) {
      const problem = destinationProblem(around, destination, namespace);
      if (problem !== undefined) note(object, { ...problem, path: [...path, ...problem.path] });
    }
  }
};

function destinationsOf({ spec }: ConfigObject<'VirtualService'>): readonly (readonly [Path, Destination])[] {
  const found: [Path, Destination][] = [];
  for (const [h, route] of (spec.http ?? []).entries()) {
    const at = ['spec', 'http', h];
    for (const [r, { destination }] of (route.route ?? []).entries())
      found.push([[...at, 'route', r, 'destination'], destination]);
    if (route.mirror !== undefined) found.push([[...at, 'mirror'], route.mirror]);
    for (const [m, { destination }] of (route.mirrors ?? []).entries())
      found.push([[...at, 'mirrors', m, 'destination'], destination]);
  }
  for (const list of ['tls', 'tcp'] as const) {
    for (const [h, { route = [] }] of (spec[list] ?? []).entries()) {
      for (const [r, { destination }] of route.entries())
        found.push([['spec', list, h, 'route', r, 'destination'], destination]);
    }
  }
  return found;
}

function destinationProblem(
  around: Surroundings,
  { host, subset, port }: Destination,
  namespace: string,
): Omit<Finding, 'severity'> | undefined {
  const name = around.fullName(host, namespace);
  const service = around.service(host, namespace);
  if (service === undefined) {
    if (!around.world.complete || around.hostExists(host, namespace)) return undefined;
    return {
      code: 'W0040',
      istioCode: 'IST0101',
      path: ['host'],
      message: `there is no service ${name}; requests get 503`,
      fix: 'Start it, or mend the name.',
    };
  }
  if (subset !== undefined && subset !== '') {
    const known = around
      .of('DestinationRule')
      .filter((rule) => around.fullName(rule.spec.host, rule.metadata.namespace) === name)
      .flatMap((rule) => rule.spec.subsets ?? [])
      .map((one) => one.name);
    if (!known.includes(subset)) {
      const guess = nearest(subset, known);
      return {
        code: 'W0040',
        istioCode: 'IST0101',
        path: ['subset'],
        message: `no DestinationRule defines the subset "${subset}" of ${name}; requests get 503`,
        fix: guess === undefined ? 'Define it in a DestinationRule.' : `Did you mean ${guess}?`,
      };
    }
  }
  const numbers = [...new Set(service.ports.map(({ number }) => number))];
  if (port?.number === undefined) return undefined;
  if (numbers.length === 0 || numbers.includes(port.number)) return undefined;
  return {
    code: 'W0040',
    istioCode: 'IST0101',
    path: ['port', 'number'],
    message: `${name} has no port ${port.number}`,
    fix: `It has ${numbers.join(', ')}.`,
  };
}

/** Gateways that VirtualServices name, and whether the hosts meet. */
const gateways: CrossCheck = (around, note) => {
  const known = around.of('Gateway');
  for (const object of around.of('VirtualService')) {
    const { namespace } = object.metadata;
    for (const [index, ref] of (object.spec.gateways ?? []).entries()) {
      if (ref === 'mesh') continue;
      const [inside, name] = gatewayName(ref, namespace);
      const path = ['spec', 'gateways', index];
      const gateway = known.find(({ metadata }) => metadata.namespace === inside && metadata.name === name);
      if (gateway === undefined) {
        const guess = nearest(
          name,
          known.filter(({ metadata }) => metadata.namespace === inside).map(({ metadata }) => metadata.name),
        );
        note(object, {
          code: 'W0041',
          istioCode: 'IST0101',
          path,
          message: `there is no Gateway ${inside}/${name}, so nothing comes in here`,
          fix: guess === undefined ? 'Create it, or mend the name.' : `Did you mean ${guess}?`,
        });
        continue;
      }
      const served = (gateway.spec.servers ?? []).flatMap(({ hosts }) =>
        hosts.map((host) => host.slice(host.indexOf('/') + 1)),
      );
      for (const [h, host] of (object.spec.hosts ?? []).entries()) {
        const full = around.fullName(host, namespace);
        if (served.some((one) => overlaps(one, full) || overlaps(one, host))) continue;
        note(object, {
          code: 'W0041',
          istioCode: 'IST0132',
          path: ['spec', 'hosts', h],
          message: `the Gateway ${inside}/${name} does not serve "${host}"`,
          fix: `It serves ${served.join(', ')}.`,
        });
      }
    }
  }
};

function gatewayName(ref: string, namespace: string): readonly [namespace: string, name: string] {
  const slash = ref.indexOf('/');
  if (slash !== -1) {
    const inside = ref.slice(0, slash);
    return [inside === '.' ? namespace : inside, ref.slice(slash + 1)];
  }
  const [name = '', inside] = ref.split('.');
  return [inside ?? namespace, name];
}

const everywhere = (exportTo: readonly string[] | undefined): boolean =>
  exportTo === undefined || exportTo.length === 0 || exportTo.includes('*');

/** Two VirtualServices for one host at sidecars: only the older is used. */
const sameHost: CrossCheck = (around, note) => {
  const owners = new Map<string, ConfigObject<'VirtualService'>>();
  for (const object of around.of('VirtualService')) {
    const { namespace } = object.metadata;
    if (!(object.spec.gateways ?? ['mesh']).includes('mesh')) continue;
    for (const [index, host] of (object.spec.hosts ?? []).entries()) {
      const scope = everywhere(object.spec.exportTo) ? '*' : namespace;
      const name = around.fullName(host, namespace);
      const owner = owners.get(`*/${name}`) ?? owners.get(`${namespace}/${name}`);
      if (owner === undefined) {
        owners.set(`${scope}/${name}`, object);
        continue;
      }
      if (owner === object) continue;
      note(object, {
        code: 'W0043',
        istioCode: 'IST0109',
        path: ['spec', 'hosts', index],
        message: `the older VirtualService ${owner.metadata.namespace}/${owner.metadata.name} has the host ${name}, so this one is not used for it`,
        fix: 'Join the two.',
      });
    }
  }
};

const destinationRules: CrossCheck = (around, note) => {
  for (const object of around.of('DestinationRule')) {
    const { host, subsets = [] } = object.spec;
    const { namespace } = object.metadata;
    if (around.world.complete && !around.hostExists(host, namespace)) {
      note(object, {
        code: 'W0040',
        istioCode: 'IST0174',
        path: ['spec', 'host'],
        message: `there is no service ${around.fullName(host, namespace)}`,
        fix: 'Start it, or mend the name.',
      });
      continue;
    }
    const service = around.service(host, namespace);
    if (service === undefined || !around.world.complete || service.workloads.length === 0) continue;
    for (const [index, subset] of subsets.entries()) {
      if (service.workloads.some((labels) => matchesLabels(subset.labels, labels))) continue;
      note(object, {
        code: 'W0044',
        istioCode: 'IST0173',
        path: ['spec', 'subsets', index, 'labels'],
        message: `no workload of ${service.hostname} is in the subset "${subset.name}"; requests for it get 503`,
        fix: 'Start one with these labels, or mend the labels.',
      });
    }
  }
};

/** Selectors that no workload fits. */
const selectors: CrossCheck = (around, note) => {
  const { world } = around;
  if (!world.complete) return;
  const check = (
    object: ConfigObject,
    labels: Readonly<Record<string, string>> | undefined,
    path: Path,
    anyNamespace: boolean,
  ): void => {
    if (labels === undefined || Object.keys(labels).length === 0) return;
    const { namespace } = object.metadata;
    const fits = world.workloads.some(
      (workload) => (anyNamespace || workload.namespace === namespace) && matchesLabels(labels, workload.labels),
    );
    if (fits) return;
    const where = anyNamespace ? '' : ` in namespace ${namespace}`;
    note(object, {
      code: 'W0044',
      istioCode: object.kind === 'Gateway' ? 'IST0101' : 'IST0127',
      path,
      message: `the selector fits no workload${where}`,
      fix: 'Mend the labels, or start the workload.',
    });
  };
  const root = world.rootNamespace ?? 'istio-system';
  for (const object of around.of('Gateway')) check(object, object.spec.selector, ['spec', 'selector'], true);
  for (const object of around.of('AuthorizationPolicy')) {
    check(object, object.spec.selector?.matchLabels, ['spec', 'selector'], object.metadata.namespace === root);
  }
  for (const object of around.of('PeerAuthentication'))
    check(object, object.spec.selector?.matchLabels, ['spec', 'selector'], false);
  for (const object of around.of('Sidecar'))
    check(object, object.spec.workloadSelector?.labels, ['spec', 'workloadSelector'], false);
};

/** Kinds of which one namespace may have only one without selector. */
const severalDefaults: CrossCheck = (around, note) => {
  const first = new Map<string, ConfigObject>();
  const check = (object: ConfigObject, selects: boolean, istioCode: `IST${string}` | undefined): void => {
    if (selects) return;
    const scope = `${object.kind}/${object.metadata.namespace}`;
    const older = first.get(scope);
    if (older === undefined) {
      first.set(scope, object);
      return;
    }
    note(object, {
      code: 'W0043',
      ...(istioCode === undefined ? {} : { istioCode }),
      path: ['spec'],
      message: `the older ${object.kind} ${older.metadata.name} is the one without selector of this namespace, so this one is not used`,
      fix: 'Join the two.',
    });
  };
  for (const object of around.of('Sidecar')) check(object, object.spec.workloadSelector !== undefined, 'IST0111');
  for (const object of around.of('PeerAuthentication')) check(object, object.spec.selector !== undefined, undefined);
  for (const object of around.of('Telemetry')) check(object, object.spec.selector !== undefined, 'IST0160');
};

const gatewayConflicts: CrossCheck = (around, note) => {
  const seen: {
    readonly object: ConfigObject<'Gateway'>;
    readonly selector: string;
    readonly port: number;
    readonly hosts: readonly string[];
  }[] = [];
  for (const object of around.of('Gateway')) {
    const selector = JSON.stringify(
      Object.entries(object.spec.selector ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
    for (const [index, { port, hosts }] of (object.spec.servers ?? []).entries()) {
      const names = hosts.map((host) => host.slice(host.indexOf('/') + 1).toLowerCase());
      const other = seen.find(
        (one) =>
          one.object !== object &&
          one.selector === selector &&
          one.port === port.number &&
          one.hosts.some((host) => names.includes(host)),
      );
      if (other !== undefined) {
        note(object, {
          code: 'W0043',
          istioCode: 'IST0145',
          path: ['spec', 'servers', index, 'hosts'],
          message: `the Gateway ${other.object.metadata.namespace}/${other.object.metadata.name} serves the same host on port ${port.number}`,
          fix: 'Give the host to one of them.',
        });
      }
      seen.push({ object, selector, port: port.number, hosts: names });
    }
  }
};

/** Handlers and instances that rules name. A name is `short`, `short.namespace`, or `short.kind.namespace`. */
const mixerReferences: CrossCheck = (around, note) => {
  const handlers = (['handler', 'prometheus', 'stdio', 'denier'] as const).flatMap(
    (kind) => around.of(kind) as readonly ConfigObject[],
  );
  const instances = (['instance', 'metric', 'logentry', 'checknothing', 'reportnothing'] as const).flatMap(
    (kind) => around.of(kind) as readonly ConfigObject[],
  );
  const exists = (list: readonly ConfigObject[], ref: string, namespace: string): boolean =>
    list.some(({ kind, metadata }) => {
      const names = [metadata.name, `${metadata.name}.${kind}`];
      const own = metadata.namespace === namespace && names.includes(ref);
      return own || names.some((name) => `${name}.${metadata.namespace}` === ref);
    });
  for (const object of around.of('rule')) {
    const { namespace } = object.metadata;
    for (const [a, { handler, instances: wanted = [] }] of (object.spec.actions ?? []).entries()) {
      const path = ['spec', 'actions', a];
      if (!exists(handlers, handler, namespace)) {
        note(object, {
          code: 'W0045',
          path: [...path, 'handler'],
          message: `there is no handler "${handler}", so the action is dropped`,
          fix: 'Create it, or mend the name.',
        });
      }
      for (const [i, instance] of wanted.entries()) {
        if (exists(instances, instance, namespace)) continue;
        note(object, {
          code: 'W0045',
          path: [...path, 'instances', i],
          message: `there is no instance "${instance}", so it is left out`,
          fix: 'Create it, or mend the name.',
        });
      }
    }
  }
};

const PROTOCOL_NAMES = /^(?:grpc-web|http2?|https|tcp|tls|grpc|mongo|mysql|redis|udp|http_proxy)(?:-|$)/i;

const portNames: CrossCheck = (around, note) => {
  for (const object of around.of('Service')) {
    for (const [index, { name = '', appProtocol, protocol }] of (object.spec.ports ?? []).entries()) {
      if (appProtocol !== undefined || protocol === 'UDP' || PROTOCOL_NAMES.test(name)) continue;
      note(object, {
        code: 'W0023',
        istioCode: 'IST0118',
        severity: 'info',
        path: ['spec', 'ports', index],
        message: `the port’s name "${name}" tells no protocol, so it is found out from the first bytes`,
        fix: 'Name it http, http-web, tcp, grpc-api…, or set appProtocol.',
      });
    }
  }
};

export const CROSS_CHECKS: readonly CrossCheck[] = [
  destinations,
  gateways,
  sameHost,
  destinationRules,
  selectors,
  severalDefaults,
  gatewayConflicts,
  mixerReferences,
  portNames,
];
