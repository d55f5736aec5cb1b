/** What a process that went into the mesh's namespaces is told by the one on the host that started it. */
import type { HubOptions } from '@weft/local';

export type Handover =
  /** `up` and `demo`: this process is the supervisor, in the hub. */
  | { readonly as: 'hub'; readonly hub: HubOptions }
  /** `run`: this process joins a mesh that is there. */
  | { readonly as: 'member' };

export const handoverEnv = (handover: Handover): Record<string, string> => ({
  WEFT_INNER: JSON.stringify(handover),
});

/** @returns undefined on the host. To be called once, early. */
export function takeHandover(env: NodeJS.ProcessEnv): Handover | undefined {
  const text = env['WEFT_INNER'];
  // Nothing that we start shall take itself for us.
  delete env['WEFT_INNER'];
  return text === undefined ? undefined : (JSON.parse(text) as Handover);
}
