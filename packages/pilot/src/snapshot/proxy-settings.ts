/** What configuration says of the processes of proxies, for whoever starts them. Pure. */
import type { Problem } from '@weft/config';
import type { ProxySettings } from '@weft/contracts';
import type { ConfigObject } from '@weft/contracts/config';
import type { Config } from '../config-store/config-object.ts';
import { buildMeshConfig, type MeshConfig } from '../config-store/mesh-config.ts';
import { problemIn } from '../config-store/problem-in.ts';

/** @param rootNamespace whose objects without a selector are for the whole mesh. */
export function proxySettingsOf(objects: readonly ConfigObject[], rootNamespace: string): ProxySettings {
  const { settings, proxyConfigs } = buildMeshConfig(objects);
  const concurrency = settings[0]?.spec.defaultConfig?.concurrency;
  return {
    rootNamespace,
    ...(concurrency === undefined ? {} : { concurrency }),
    proxies: proxyConfigs.flatMap(({ namespace, spec }) =>
      spec.concurrency === undefined
        ? []
        : [
            {
              namespace,
              concurrency: spec.concurrency,
              ...(spec.selector === undefined ? {} : { matchLabels: spec.selector.matchLabels ?? {} }),
            },
          ],
    ),
  };
}

/** @param most threads that there is room for in one proxy. */
export const proxyProblems = (objects: readonly ConfigObject[], most: number): readonly Problem[] =>
  diagnoseProxies(buildMeshConfig(objects), most);

export function diagnoseProxies({ settings, proxyConfigs }: MeshConfig, most: number): readonly Problem[] {
  const tooMany = (config: Config<unknown>, path: string, threads = 0): readonly Problem[] =>
    threads > most
      ? [
          warning(
            config,
            path,
            `this machine has room for ${most} threads of one proxy: ${most} are started`,
            `Write a number up to ${most}; 0 takes one per core.`,
          ),
        ]
      : [];
  const ofNamespaces = proxyConfigs.filter(({ spec }) => spec.selector === undefined && spec.concurrency !== undefined);
  return [
    ...settings
      .slice(0, 1)
      .flatMap((mesh) => tooMany(mesh, 'spec.defaultConfig.concurrency', mesh.spec.defaultConfig?.concurrency)),
    ...proxyConfigs.flatMap((config) => tooMany(config, 'spec.concurrency', config.spec.concurrency)),
    ...ofNamespaces
      .filter((config, i) => ofNamespaces.findIndex(({ namespace }) => namespace === config.namespace) < i)
      .map((config) =>
        warning(
          config,
          'spec.concurrency',
          'another ProxyConfig of this namespace is older and counts; this one has no effect',
          'Keep one of them, or give it a selector.',
        ),
      ),
  ];
}

const warning = (config: Config<unknown>, path: string, message: string, fix: string): Problem =>
  problemIn(config, { code: 'W0031', severity: 'warning', path, message, fix });
