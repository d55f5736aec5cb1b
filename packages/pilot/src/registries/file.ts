import { readFile, stat } from 'node:fs/promises';
import type { RegistryState } from '@weft/contracts';
import { errorMessage, type Clock, type Logger, type Timer, WeftError } from '@weft/kit';
import { createMemoryRegistry } from './memory.ts';
import type { ServiceRegistry } from './service-registry.ts';

export interface FileRegistryDeps {
  /** A RegistryState as JSON. */
  readonly file: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often the file is looked at; some file systems send no events. */
  readonly everyMs?: number;
}

/** Workloads from a file, for running the control plane alone. A bad file keeps the last good state. @throws {WeftError} when the first reading fails. */
export async function createFileRegistry({
  file,
  clock,
  logger,
  everyMs = 250,
}: FileRegistryDeps): Promise<ServiceRegistry> {
  const memory = createMemoryRegistry(`file:${file}`, parseRegistry(await readFile(file, 'utf8'), file));
  let seen = await signature(file);
  let timer: Timer | undefined;
  let closed = false;
  const look = async (): Promise<void> => {
    try {
      const now = await signature(file);
      if (now === seen) return;
      seen = now;
      memory.set(parseRegistry(await readFile(file, 'utf8'), file));
    } catch (error) {
      logger.warn({ file, error: errorMessage(error) }, 'registry file is not readable: the last good one is kept');
    }
  };
  const arm = (): void => {
    timer = clock.after(everyMs, () => void look().then(() => (closed ? undefined : arm())));
  };
  arm();
  return {
    ...memory,
    close() {
      closed = true;
      timer?.cancel();
      return memory.close();
    },
  };
}

const signature = async (file: string): Promise<string> => {
  const { mtimeMs, size, ino } = await stat(file);
  return `${mtimeMs}/${size}/${ino}`;
};

/** @throws {WeftError} naming what is missing. */
export function parseRegistry(text: string, file: string): RegistryState {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new WeftError('WEFT_REGISTRY_INVALID', `${file} is not JSON`, { cause: error, where: file });
  }
  const state = typeof value === 'object' && value !== null ? (value as Partial<RegistryState>) : {};
  for (const list of ['services', 'workloads'] as const) {
    if (!Array.isArray(state[list]))
      throw new WeftError('WEFT_REGISTRY_INVALID', `${file} has no list "${list}"`, { where: file });
  }
  for (const [index, workload] of (state.workloads ?? []).entries()) {
    for (const field of [
      'name',
      'namespace',
      'kind',
      'serviceAccount',
      'address',
      'health',
      'labels',
      'ports',
      'interception',
    ] as const) {
      if (workload[field] === undefined) {
        throw new WeftError('WEFT_REGISTRY_INVALID', `${file}: workloads[${index}] has no "${field}"`, { where: file });
      }
    }
  }
  return {
    version: state.version ?? 0,
    meshId: state.meshId ?? '',
    trustDomain: state.trustDomain ?? 'cluster.local',
    services: state.services ?? [],
    workloads: state.workloads ?? [],
  };
}
