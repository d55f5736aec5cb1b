/** How many threads each proxy has, as configuration says; one that has others is replaced. */
import type { ProxySettings } from '@weft/contracts';
import { errorMessage, type Logger } from '@weft/kit';
import type { WorkloadSpec } from './mesh-link.ts';
import type { Restarts } from './restarts.ts';

type Workload = Pick<WorkloadSpec, 'name' | 'namespace' | 'labels'> & { readonly ownSidecar?: boolean };

export interface ProxyFlagsDeps {
  /** Of every proxy. */
  readonly common: readonly string[];
  /** A proxy refuses to start with more threads. */
  readonly mostThreads: number;
  readonly restart: Restarts['restart'];
  readonly logger: Logger;
}

export interface ProxyFlags {
  /** Of a workload that joins. */
  of(workload: Workload): readonly string[];
  left(name: string, namespace: string): void;
  /** Configuration says something else. */
  change(settings: ProxySettings): void;
  /** Gives a workload another proxy, with the threads that it is to have now. */
  readonly restart: Restarts['restart'];
  /** A workload can be given another proxy from now on. */
  offered(name: string, namespace: string): void;
  /** When no replacement is under way. */
  settled(): Promise<void>;
}

/** Connections of a proxy that was replaced may go on for so long, as those of `weft restart`. */
const DRAIN_MS = 45_000;

export function createProxyFlags({ common, mostThreads, restart, logger }: ProxyFlagsDeps): ProxyFlags {
  let settings: ProxySettings = { rootNamespace: '', proxies: [] };
  /** What each was given. */
  const given = new Map<string, { readonly workload: Workload; threads: number | undefined }>();
  let last: Promise<void> = Promise.resolve();

  const threadsFor = (workload: Workload): number | undefined => {
    const wanted = threadsOf(settings, workload);
    return wanted === undefined ? undefined : Math.min(wanted, mostThreads);
  };
  const flagsFor = (threads: number | undefined): readonly string[] =>
    threads === undefined ? common : [...common, `--concurrency=${threads}`];

  const restartAnew: Restarts['restart'] = async (name, namespace, request) => {
    const one = given.get(keyOf(name, namespace));
    if (one === undefined) return restart(name, namespace, request);
    const threads = threadsFor(one.workload);
    const result = await restart(name, namespace, { ...request, proxyFlags: flagsFor(threads) });
    one.threads = threads;
    return result;
  };

  /** One after the other: each new process takes memory and time beside the one that it replaces. */
  const replaceSoon = (key: string): void => {
    last = last.then(async () => {
      const one = given.get(key);
      if (one === undefined || one.workload.ownSidecar) return;
      const { name, namespace } = one.workload;
      const threads = threadsFor(one.workload);
      if (threads === one.threads) return;
      try {
        await restartAnew(name, namespace, { drainMs: DRAIN_MS, wait: false });
        logger.info({ workload: name, namespace, threads }, 'its proxy was replaced by one with other threads');
      } catch (error) {
        logger.warn(
          { workload: name, namespace, threads, error: errorMessage(error) },
          'its proxy keeps its threads; a restart gives it others',
        );
      }
    });
  };
  return {
    of(workload) {
      const threads = threadsFor(workload);
      given.set(keyOf(workload.name, workload.namespace), { workload, threads });
      return flagsFor(threads);
    },
    left: (name, namespace) => void given.delete(keyOf(name, namespace)),
    change(next) {
      settings = next;
      for (const key of given.keys()) replaceSoon(key);
    },
    restart: restartAnew,
    offered: (name, namespace) => replaceSoon(keyOf(name, namespace)),
    settled: () => last,
  };
}

const keyOf = (name: string, namespace: string): string => `${namespace}/${name}`;

/**
 * Istio's order: what selects the workload, what stands for its namespace, what the root namespace says for all, and the
 * mesh's own default. Of several the oldest.
 * @returns undefined where nothing is said.
 */
export function threadsOf(
  { rootNamespace, proxies, concurrency }: ProxySettings,
  { namespace, labels }: Pick<Workload, 'namespace' | 'labels'>,
): number | undefined {
  const here = proxies.filter((one) => one.namespace === namespace);
  const selecting = here.find(
    ({ matchLabels }) =>
      matchLabels !== undefined && Object.entries(matchLabels).every(([key, value]) => labels[key] === value),
  );
  const all = (list: ProxySettings['proxies']) => list.find(({ matchLabels }) => matchLabels === undefined);
  const first = selecting ?? all(here) ?? all(proxies.filter((one) => one.namespace === rootNamespace));
  return first?.concurrency ?? concurrency;
}
