import type { Static } from 'typebox';
import { map, message, opt, text, uint32, type FieldMeta } from './meta.ts';

/** One address with its labels; alone as a kind, or inside a ServiceEntry. */
export const workloadEntry = (meta: FieldMeta = {}) =>
  message(
    {
      address: opt(text({ maxLength: 256 })),
      ports: opt(map(uint32({ format: 'port-number', min: 1, max: 65_535 }), { maxItems: 128 })),
      labels: opt(map(text({ maxLength: 63 }), { maxItems: 256 })),
      network: opt(text({ maxLength: 2048, effect: 'not-yet', reason: 'has no effect: there is one network' })),
      locality: opt(text({ maxLength: 2048, effect: 'not-yet', reason: 'does not change balancing yet' })),
      weight: opt(uint32({ default: 1 })),
      serviceAccount: opt(text({ maxLength: 253 })),
    },
    meta,
  );

export const WorkloadEntrySpec = workloadEntry();

/** A workload that no registry reports: a program on a virtual machine, or on the host. */
export type WorkloadEntrySpec = Static<typeof WorkloadEntrySpec>;
