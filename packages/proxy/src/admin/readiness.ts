import type { ChildMessage } from '@weft/contracts';
import type { Clock, Timer } from '@weft/kit';

/** What a proxy waits for before it takes traffic, and what is worth saying although it does. */
export interface Readiness {
  /** Empty = ready. */
  readonly waitingFor: readonly string[];
  readonly notes: readonly string[];
  readonly draining: boolean;
}

export interface ReadinessInputs {
  readonly draining: boolean;
  readonly hasIdentity: boolean;
  /** Epoch milliseconds; undefined without an identity. */
  readonly identityExpiresAt: number | undefined;
  readonly now: number;
  readonly configuration: readonly string[];
  readonly source: 'none' | 'saved' | 'control-plane';
  readonly savedAt: number | undefined;
  readonly connected: boolean;
  readonly lastError: string | undefined;
  readonly listeners: readonly { readonly name: string; readonly state: string; readonly reason: string }[];
}

export function judge(inputs: ReadinessInputs): Readiness {
  const waitingFor: string[] = [];
  const notes: string[] = [];
  if (!inputs.hasIdentity) waitingFor.push('certificate and key from the agent');
  else if (inputs.identityExpiresAt !== undefined && inputs.identityExpiresAt <= inputs.now) {
    waitingFor.push(
      `a new certificate: the present one expired at ${new Date(inputs.identityExpiresAt).toISOString()}`,
    );
  }
  waitingFor.push(...inputs.configuration);
  for (const { name, state, reason } of inputs.listeners) {
    const why = reason === '' ? '' : `: ${reason}`;
    if (state === 'warming') waitingFor.push(`listener ${name}${why}`);
    // One address that is taken must not take the others out of service.
    if (state === 'failed') notes.push(`listener ${name} does not listen${why}`);
  }
  if (inputs.source === 'saved') {
    const when = inputs.savedAt === undefined ? '' : ` of ${new Date(inputs.savedAt).toISOString()}`;
    notes.push(`serving the saved configuration${when}`);
  }
  if (!inputs.connected) {
    notes.push(`no connection to the control plane${inputs.lastError === undefined ? '' : `: ${inputs.lastError}`}`);
  }
  return { waitingFor, notes, draining: inputs.draining };
}

/** Envoy's page: `LIVE`, or 503 with the state. Reasons and notes follow, one a line. */
export function readyPage({ waitingFor, notes, draining }: Readiness): {
  readonly status: number;
  readonly body: string;
} {
  const lines = [...waitingFor.map((what) => `waiting for ${what}`), ...notes.map((note) => `note: ${note}`)];
  const state = stateOf({ draining, waitingFor });
  return { status: state === 'LIVE' ? 200 : 503, body: [state, ...lines, ''].join('\n') };
}

/** Envoy's word for it. */
export function stateOf({
  draining,
  waitingFor,
}: Pick<Readiness, 'draining' | 'waitingFor'>): 'LIVE' | 'DRAINING' | 'INITIALIZING' {
  if (draining) return 'DRAINING';
  return waitingFor.length === 0 ? 'LIVE' : 'INITIALIZING';
}

const CHECK_EVERY_MS = 250;

/** Tells the parent each time the answer changes. @returns what stops it. */
export function reportReadiness(
  send: (message: ChildMessage) => void,
  readiness: () => Readiness,
  clock: Clock,
): () => void {
  let told: string | undefined;
  let timer: Timer;
  const check = (): void => {
    const { waitingFor } = readiness();
    const now = JSON.stringify(waitingFor);
    if (now !== told) {
      told = now;
      send(waitingFor.length === 0 ? { type: 'ready' } : { type: 'waiting', for: waitingFor });
    }
    timer = clock.after(CHECK_EVERY_MS, check);
  };
  check();
  return () => timer.cancel();
}
