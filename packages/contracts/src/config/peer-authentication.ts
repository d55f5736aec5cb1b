import type { Static } from 'typebox';
import { matchLabelsSelector } from './common.ts';
import { choice, map, message, opt } from './meta.ts';

const mutualTls = () =>
  message({ mode: opt(choice(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'], { default: 'UNSET', test: 'SE-03' })) });

export const PeerAuthenticationSpec = message({
  selector: opt(matchLabelsSelector()),
  mtls: opt(mutualTls()),
  /** Keys are ports of the workload, not of the service. */
  portLevelMtls: opt(map(mutualTls())),
});

/** Whether a workload’s proxy takes plain text, mutual TLS or both. */
export type PeerAuthenticationSpec = Static<typeof PeerAuthenticationSpec>;
export type MutualTlsMode = NonNullable<NonNullable<PeerAuthenticationSpec['mtls']>['mode']>;
