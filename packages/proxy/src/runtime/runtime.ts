import type { Cluster as ClusterMessage } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import type { Listener as ListenerMessage } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import type { ClusterLoadAssignment } from '@weft/contracts/lean/envoy/config/endpoint/v3/endpoint';
import { errorMessage } from '@weft/kit';
import type { FilterDeps } from '../filters/http/http-filter.ts';
import type { RejectedResource, ResourceSet, ResourceType } from '../ports.ts';
import type { ClusterSettings } from '../upstream/cluster-settings.ts';
import type { Endpoints } from '../upstream/host-facts.ts';
import { type ClusterCompileDeps, compileCluster } from './clusters.ts';
import { readEndpoints } from './endpoints.ts';
import type { ListenerDeps } from './http-connection-manager.ts';
import { type CompiledListener, compileListener } from './listeners.ts';
import { compileTable, type Table } from './routes.ts';
import { refuseUnread } from './unread-fields.ts';

/** Everything compiled of one resource set. */
export interface RuntimeConfig {
  readonly listeners: ReadonlyMap<string, CompiledListener>;
  readonly tables: ReadonlyMap<string, Table>;
  readonly clusters: ReadonlyMap<string, ClusterSettings>;
  /** By EDS service name. */
  readonly endpoints: ReadonlyMap<string, Endpoints>;
  readonly rejected: readonly RejectedResource[];
}

export interface RuntimeDeps {
  readonly filters: FilterDeps;
  readonly listeners: ListenerDeps;
  readonly clusters: ClusterCompileDeps;
}

export interface Runtime {
  compile(resources: ResourceSet): RuntimeConfig;
}

const TITLES: Readonly<Record<ResourceType, string>> = {
  listener: 'Listener',
  route: 'RouteConfiguration',
  cluster: 'Cluster',
  endpoint: 'ClusterLoadAssignment',
  nameTable: 'NameTable',
};

/** One kind of resource: what was compiled is kept as long as its message is the same object; a refused one keeps the former. A map that is the same object is not even looked through. */
class Compiled<Message extends object, Result> {
  readonly #type: ResourceType;
  readonly #compile: (message: Message) => Result;
  #kept = new Map<string, { readonly message: Message; readonly result: Result }>();
  #refused = new Map<string, { readonly message: Message; readonly reason: string }>();
  #messages: ReadonlyMap<string, Message> | undefined;
  #results: ReadonlyMap<string, Result> = new Map();

  constructor(type: ResourceType, compile: (message: Message) => Result) {
    this.#type = type;
    this.#compile = compile;
  }

  /** @returns the same object for the same object. */
  take(messages: ReadonlyMap<string, Message>, rejected: RejectedResource[]): ReadonlyMap<string, Result> {
    if (messages !== this.#messages) this.#takeNew(messages);
    for (const [name, { reason }] of this.#refused) rejected.push({ type: this.#type, name, reason });
    return this.#results;
  }

  #takeNew(messages: ReadonlyMap<string, Message>): void {
    const kept = new Map<string, { readonly message: Message; readonly result: Result }>();
    const refused = new Map<string, { readonly message: Message; readonly reason: string }>();
    for (const [name, message] of messages) {
      const former = this.#kept.get(name);
      if (former?.message === message) {
        kept.set(name, former);
        continue;
      }
      const known = this.#refused.get(name);
      const outcome = known?.message === message ? known : this.#try(name, message);
      if ('result' in outcome) {
        kept.set(name, outcome);
        continue;
      }
      refused.set(name, outcome);
      if (former !== undefined) kept.set(name, former);
    }
    this.#kept = kept;
    this.#refused = refused;
    this.#messages = messages;
    this.#results = new Map([...kept].map(([name, { result }]) => [name, result]));
  }

  #try(
    name: string,
    message: Message,
  ): { readonly message: Message; readonly result: Result } | { readonly message: Message; readonly reason: string } {
    try {
      refuseUnread(message, `${TITLES[this.#type]} "${name}"`);
      return { message, result: this.#compile(message) };
    } catch (error) {
      return { message, reason: errorMessage(error) };
    }
  }
}

export function createRuntime(deps: RuntimeDeps): Runtime {
  const clusters = new Compiled<ClusterMessage, ClusterSettings>('cluster', (message) =>
    compileCluster(message, deps.clusters),
  );
  const endpoints = new Compiled<ClusterLoadAssignment, Endpoints>('endpoint', (message) =>
    readEndpoints(message, `ClusterLoadAssignment "${message.clusterName}"`),
  );
  const tables = new Compiled<RouteConfiguration, Table>('route', (message) => compileTable(message, deps.filters));
  const listeners = new Compiled<ListenerMessage, CompiledListener>('listener', (message) => {
    const compiled = compileListener(message, deps.listeners);
    // An inline route configuration is part of its listener: a fault in it refuses the listener.
    for (const chain of [...compiled.chains, ...(compiled.defaultChain === undefined ? [] : [compiled.defaultChain])]) {
      if (chain.terminal.kind === 'http' && chain.terminal.hcm.inlineRoutes !== undefined)
        compileTable(chain.terminal.hcm.inlineRoutes, deps.filters);
    }
    return compiled;
  });
  return {
    compile(resources) {
      const rejected: RejectedResource[] = [];
      return {
        clusters: clusters.take(resources.clusters, rejected),
        endpoints: endpoints.take(resources.endpoints, rejected),
        tables: tables.take(resources.routes, rejected),
        listeners: listeners.take(resources.listeners, rejected),
        rejected,
      };
    },
  };
}
