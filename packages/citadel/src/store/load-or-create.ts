import { WeftError } from '@weft/kit';
import type { CaMaterial } from '../ca/material.ts';
import type { CaStore } from './ca-store.ts';

/** What is stored, or new material stored now. Several processes may start at once: all end up with the same root. */
export async function loadOrCreate(
  store: CaStore,
  build: () => CaMaterial,
): Promise<{ readonly material: CaMaterial; readonly created: boolean }> {
  const stored = await store.load();
  if (stored) return { material: stored, created: false };
  const fresh = build();
  if (await store.create(fresh)) return { material: fresh, created: true };
  const theirs = await store.load();
  if (!theirs) {
    throw new WeftError('WEFT_CA_STORE', 'the place of the certificate authority is taken by something else', {
      fix: 'Empty its folder, or choose another.',
    });
  }
  return { material: theirs, created: false };
}
