import type { Static } from 'typebox';
import { exportTo, labelsSelector } from './common.ts';
import { choice, list, message, opt, text, uint32 } from './meta.ts';
import { workloadEntry } from './workload-entry.ts';

export const ServiceEntrySpec = message({
  hosts: list(text({ format: 'service-host' }), { minItems: 1, maxItems: 256 }),
  addresses: opt(list(text({ maxLength: 64 }), { maxItems: 256 })),
  ports: opt(
    list(
      message({
        number: uint32({ format: 'port-number', min: 1, max: 65_535 }),
        protocol: opt(text({ maxLength: 256 })),
        name: text({ minLength: 1, maxLength: 256 }),
        targetPort: opt(uint32({ format: 'port-number', max: 65_535 })),
      }),
      { maxItems: 256 },
    ),
  ),
  location: opt(choice(['MESH_EXTERNAL', 'MESH_INTERNAL'], { default: 'MESH_EXTERNAL' })),
  resolution: opt(
    choice(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'], {
      default: 'NONE',
      values: {
        NONE: {
          effect: 'not-yet',
          reason: 'needs the caller’s original destination address, which is not used yet',
          mend: 'Use STATIC or DNS.',
        },
        DNS_ROUND_ROBIN: { effect: 'not-yet', reason: 'is not resolved yet', mend: 'Use DNS.' },
        DYNAMIC_DNS: { effect: 'not-yet', reason: 'is not resolved yet', mend: 'Use DNS with the names spelled out.' },
      },
    }),
  ),
  endpoints: opt(list(workloadEntry(), { maxItems: 4096 })),
  workloadSelector: opt(labelsSelector()),
  exportTo: exportTo(),
  subjectAltNames: opt(
    list(text(), {
      effect: 'refused',
      reason: 'asks for a certificate check that the proxies do not make yet',
      mend: 'Leave it out, or give the endpoints a serviceAccount.',
    }),
  ),
});

/** A service that no registry reports, with the addresses it has. */
export type ServiceEntrySpec = Static<typeof ServiceEntrySpec>;
export type ServiceEntryPort = NonNullable<ServiceEntrySpec['ports']>[number];
