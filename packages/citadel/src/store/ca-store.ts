import type { CaMaterial } from '../ca/material.ts';

/** Where the authority's own keys live. */
export interface CaStore {
  /** @returns undefined when nothing is stored. @throws {WeftError} when only a part is there: never a reason to make a new root. */
  load(): Promise<CaMaterial | undefined>;
  /** Stores all of it or nothing. @returns false when somebody else stored theirs first: load that. */
  create(material: CaMaterial): Promise<boolean>;
}
