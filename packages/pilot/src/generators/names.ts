/** NDS: the names that a sidecar answers for, and their addresses. One resource, as Istio has it. */
import { create } from '@bufbuild/protobuf';
import { isIP } from 'node:net';
import { NameTableSchema, type NameTable } from '@weft/contracts/full/istio/networking/nds/v1/nds';
import { uniqueRefs } from '../config-store/config-object.ts';
import type { Service } from '../model/service.ts';
import { endpointsOf } from '../snapshot/mesh-snapshot.ts';
import type { GeneratorContext } from './context.ts';
import type { GeneratedNames } from './resource.ts';

// The message has no name of its own, and a proxy has one.
const NAME = 'names';

/** Gateways have no workload that asks them. */
export function buildNames(context: GeneratorContext): readonly GeneratedNames[] {
  const { proxy, scope, memo } = context;
  if (proxy.type !== 'sidecar') return [];
  const sidecar = scope.sidecar ? `${scope.sidecar.namespace}/${scope.sidecar.name}` : '';
  return memo.once(`names|${proxy.namespace}|${sidecar}|${proxy.interception.mode}`, () => [build(context)]);
}

function build(context: GeneratorContext): GeneratedNames {
  const table: NameTable['table'] = {};
  const named: Service[] = [];
  // Services are sorted, and so is the table: equal tables have equal bytes.
  for (const service of context.scope.services) {
    const ips = addressesOf(context, service);
    if (ips.length === 0 || service.hostname === '*') continue;
    named.push(service);
    table[service.hostname] = {
      $typeName: 'istio.networking.nds.v1.NameTable.NameInfo',
      ips: [...ips],
      // Istio's agents shorten names of this registry only.
      ...(isOfMesh(context, service)
        ? { registry: 'Kubernetes', shortname: service.name, namespace: service.namespace }
        : { registry: 'External', shortname: '', namespace: '' }),
    };
  }
  return {
    name: NAME,
    message: create(NameTableSchema, { table }),
    sources: uniqueRefs([
      ...(context.scope.sidecar ? [context.scope.sidecar.ref] : []),
      ...named.flatMap(({ refs }) => refs),
    ]),
  };
}

const isOfMesh = ({ snapshot }: GeneratorContext, { origin, hostname }: Service): boolean =>
  origin !== 'service-entry' && hostname.endsWith(`.svc.${snapshot.mesh.domainSuffix}`);

/** Virtual addresses; without any a service's instances are called, where the sidecar has listeners for them. */
function addressesOf({ snapshot, proxy }: GeneratorContext, service: Service): readonly string[] {
  if (service.addresses.length > 0) return service.addresses.filter((address) => isIP(address) !== 0);
  if (proxy.interception.mode !== 'redirect' || service.resolution !== 'eds' || service.origin === 'service-entry')
    return [];
  const instances = endpointsOf(snapshot, service).filter(
    ({ address, health }) => health === 'healthy' && isIP(address) !== 0,
  );
  return [...new Set(instances.map(({ address }) => address))].sort();
}
