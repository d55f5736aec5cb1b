/** The port through which the rest of the mesh reads and changes configuration. */
import type { ConfigObject, ConfigRef, KindName } from '@weft/contracts/config';
import type { Problem } from '../problems.ts';

export type ConfigChange =
  | { readonly type: 'added'; readonly object: ConfigObject }
  | { readonly type: 'updated'; readonly object: ConfigObject; readonly former: ConfigObject }
  | { readonly type: 'deleted'; readonly object: ConfigObject };

/** Changes that became true together; a reader never sees half of a file. */
export interface ConfigEvent {
  /** The store’s version after the changes. */
  readonly version: number;
  readonly changes: readonly ConfigChange[];
}

export interface FileStatus {
  readonly file: string;
  /** Objects now served from the file. */
  readonly objects: number;
  /** True when the file is bad and what it held before is still served. */
  readonly keptLastGood: boolean;
  readonly problems: readonly Problem[];
}

export interface StoreStatus {
  /** False until the first complete reading. */
  readonly ready: boolean;
  /** Grows by one with every event. */
  readonly version: number;
  readonly objects: number;
  /** Everything wrong or doubtful now, by file and line. */
  readonly problems: readonly Problem[];
  /** Only of stores that read files. */
  readonly files: readonly FileStatus[];
}

export interface ConfigStore {
  /** Every object of the kind (of every kind when none is given), oldest first (`byAge`). The array is not changed later. */
  list<Kind extends KindName = KindName>(kind?: Kind): readonly ConfigObject<Kind>[];
  get<Kind extends KindName>(kind: Kind, namespace: string, name: string): ConfigObject<Kind> | undefined;
  /** Called after each change, never during `subscribe`. @returns unsubscribes. */
  subscribe(listener: (event: ConfigEvent) => void): () => void;
  status(): StoreStatus;
}

/** An object to store, with the text it was read from, so that comments survive. */
export interface ApplyItem {
  readonly object: ConfigObject;
  readonly text?: string;
}

export interface ApplyResult {
  readonly ref: ConfigRef;
  readonly outcome: 'created' | 'configured' | 'unchanged';
  /** Where it is kept; absent in memory. */
  readonly file?: string;
}

export interface WritableConfigStore extends ConfigStore {
  /** Creates or replaces objects; they are visible when it resolves. @throws {WeftError} when nothing was written. */
  apply(items: readonly ApplyItem[]): Promise<readonly ApplyResult[]>;
  /** @returns false when there is no such object. */
  delete(ref: ConfigRef): Promise<boolean>;
  close(): Promise<void>;
}
