/** Bookinfo as workloads: what runs, which service it belongs to, how its health is asked. */
import type { RegisteredService } from '@weft/contracts';
import { WeftError } from '@weft/kit';
import { pickPort, serviceOf, type WorkloadSpec } from '@weft/local';
import type { RunnerOptions } from '@weft/local';

const PARTS = [
  { service: 'details', version: 'v1' },
  { service: 'ratings', version: 'v1' },
  { service: 'reviews', version: 'v1' },
  { service: 'reviews', version: 'v2' },
  { service: 'reviews', version: 'v3' },
  { service: 'productpage', version: 'v1' },
] as const;

const SERVICE_PORT = 9080;
const NAMESPACE = 'default';

export interface Bookinfo {
  services(): Promise<readonly RegisteredService[]>;
  workloads(): Promise<readonly RunnerOptions[]>;
}

/** `productpage,reviews-v2`: names of services or workloads. @throws {WeftError} WEFT_USAGE that lists the known ones. */
export function parseWithout(text: string | undefined): ReadonlySet<string> {
  const names = (text ?? '').split(',').filter((name) => name !== '');
  const known = new Set(PARTS.flatMap(({ service, version }) => [service, `${service}-${version}`]));
  const stranger = names.find((name) => !known.has(name));
  if (stranger === undefined) return new Set(names);
  throw new WeftError('WEFT_USAGE', `--without knows no part "${stranger}"`, {
    fix: `use some of: ${[...known].join(', ')}`,
  });
}

/**
 * @param without parts that somebody else starts; their services are known all the same.
 * @param isolated each part has the addresses of its namespace to itself.
 */
export function createBookinfo(
  program: (name: string) => string,
  env: Readonly<Record<string, string>>,
  without: ReadonlySet<string> = new Set(),
  isolated = false,
): Bookinfo {
  const taken = new Set<string>();
  const spec = async (service: string, version: string): Promise<WorkloadSpec> => ({
    name: `${service}-${version}`,
    namespace: NAMESPACE,
    kind: 'sidecar',
    service,
    serviceAccount: `bookinfo-${service}`,
    labels: { app: service, version },
    ports: [
      {
        name: 'http',
        servicePort: SERVICE_PORT,
        appAddress: '127.0.0.1',
        appPort: isolated ? SERVICE_PORT : await pickPort('127.0.0.1', 0, taken),
      },
    ],
  });
  const specs = Promise.all(PARTS.map(({ service, version }) => spec(service, version)));
  return {
    services: async () => (await specs).map((item) => serviceOf(item.service ?? item.name, item)),
    workloads: async () =>
      (await specs)
        .filter((item) => !without.has(item.name) && !without.has(item.service ?? item.name))
        .map((item) => ({
          spec: item,
          command: {
            argv: [process.execPath, program(item.service ?? item.name)],
            cwd: process.cwd(),
            env: { ...env, SERVICE_VERSION: item.labels['version'] ?? '' },
          },
          probe: { kind: 'http', path: '/health' },
          restart: true,
        })),
  };
}
