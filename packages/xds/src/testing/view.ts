/** Views of made-up resources, for tests. */
import type { DeltaRequest, SotwRequest } from '../protocol/messages.ts';
import type { ServerResponse } from '../protocol/server-stream.ts';
import type { ChangeSet, XdsResource } from '../resource.ts';
import type { ResourceView } from '../server/xds-source.ts';

/** Type URL → name → version. The bytes are the version's text. */
export type Versions = Readonly<Record<string, Readonly<Record<string, string>>>>;

export function viewOf(versions: Versions, version = 'snapshot'): ResourceView {
  const types = new Map(
    Object.entries(versions).map(([typeUrl, byName]) => [
      typeUrl,
      new Map(Object.entries(byName).map(([name, version]) => [name, resourceOf(name, version)])),
    ]),
  );
  return { version, resources: (typeUrl) => types.get(typeUrl) ?? new Map<string, XdsResource>() };
}

export const resourceOf = (name: string, version: string): XdsResource => ({
  name,
  version,
  bytes: new TextEncoder().encode(version),
});

export const changesOf = (changes: Readonly<Record<string, readonly string[]>>): ChangeSet =>
  new Map(Object.entries(changes).map(([typeUrl, names]) => [typeUrl, new Set(names)]));

export const sotw = (typeUrl: string, names: readonly string[] = [], more: Partial<SotwRequest> = {}): SotwRequest => ({
  typeUrl,
  names,
  versionInfo: '',
  nonce: '',
  ...more,
});

export const delta = (typeUrl: string, more: Partial<DeltaRequest> = {}): DeltaRequest => ({
  typeUrl,
  subscribe: [],
  unsubscribe: [],
  initialVersions: new Map(),
  nonce: '',
  ...more,
});

/** `{a: '1'}`: what a response says of each name. */
export const told = (response: ServerResponse | undefined): Record<string, string> | undefined =>
  response && Object.fromEntries(response.resources.map(({ name, version }) => [name, version]));
