import { controlPlaneId, spiffeId, type WorkloadIdentity, type WorkloadSecret } from '@weft/contracts';
import {
  atWallTime,
  createBackoff,
  errorMessage,
  systemClock,
  systemRandom,
  WeftError,
  type Backoff,
  type Clock,
  type Logger,
  type Random,
  type Timer,
} from '@weft/kit';
import type { CertificateRequester, Proof } from './ca-client/certificate-requester.ts';
import { createGrpcRequester } from './ca-client/grpc-requester.ts';
import { checkAnswer, type CertifiedIdentity } from './identity/answer.ts';
import { newKeyAndRequest } from './identity/signing-request.ts';
import { alarmAtMs, maxRetryDelayMs, renewAtMs, urgency, type Lifetime } from './keeper/renewal.ts';
import { createSecretHub, type AgentSecrets, type SecretListener } from './keeper/secrets.ts';

export interface CaAddresses {
  /** `host:port` for calls with a token. */
  readonly token: string;
  /** `host:port` for calls with the current certificate. */
  readonly peer: string;
}

export interface AgentOptions {
  readonly identity: WorkloadIdentity;
  /** A fresh bootstrap token; called for each attempt that needs one. */
  readonly tokenSource: () => string | Promise<string>;
  /** Asked for each attempt, since a control plane may come back elsewhere. */
  readonly caAddress: () => CaAddresses;
  /** The roots that the authority's server is verified with, PEM. Asked for each attempt and looked at each minute. */
  readonly caRootPem: () => string | Promise<string>;
  readonly logger: Logger;
  /** What to ask for; default 24 h. The authority may grant less. */
  readonly ttlMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Default: gRPC. */
  readonly request?: CertificateRequester;
}

export interface AgentState {
  readonly phase: 'waiting' | 'serving' | 'alarm' | 'expired';
  readonly spiffeId: string;
  /** Epoch milliseconds. */
  readonly expiresAt?: number;
  /** When the next attempt is due. */
  readonly renewAt?: number;
  /** Failures since the last success. */
  readonly failures: number;
  readonly lastError?: string;
}

/** A workload's keeper: makes its key, gets its certificate, renews both, and tells who is subscribed. */
export interface Agent {
  /** Begins; harmless when called again. */
  start(): void;
  /** @returns the first secrets. @throws {WeftError} WEFT_AGENT_CLOSED when closed before there are any. */
  ready(): Promise<AgentSecrets>;
  secrets(): AgentSecrets | undefined;
  /** Calls back at once with what there is (ROOTCA, then default), and then on each change. @returns how to stop. */
  subscribe(listener: SecretListener): () => void;
  state(): AgentState;
  /** Makes a new key and certificate now. */
  renew(): void;
  close(): void;
}

const DAY_MS = 86_400_000;
const FIRST_RETRY_MS = 200;
const ROOT_CHECK_MS = 60_000;
const SOURCE_DEADLINE_MS = 10_000;

export function createAgent(options: AgentOptions): Agent {
  const { identity, clock = systemClock, random = systemRandom, ttlMs = DAY_MS } = options;
  const id = spiffeId(identity);
  const serverId = controlPlaneId(identity.trustDomain);
  const request = options.request ?? createGrpcRequester(clock);
  const logger = options.logger.child({ spiffeId: id });
  const hub = createSecretHub(logger);
  const waiting = new Set<{ resolve(secrets: AgentSecrets): void; reject(error: Error): void }>();

  let lifetime: Lifetime | undefined;
  let backoff: Backoff = retryBackoff();
  let next: { readonly atMs: number; readonly timer: Timer } | undefined;
  let alarm: Timer | undefined;
  let rootCheck: Timer | undefined;
  let seenProvidedRoots: string | undefined;
  let failures = 0;
  let lastError: string | undefined;
  let status: 'new' | 'idle' | 'busy' | 'closed' = 'new';
  let renewAgain = false;
  const isClosed = (): boolean => status === 'closed';

  function retryBackoff(): Backoff {
    const maxMs = maxRetryDelayMs(lifetime);
    return createBackoff({ baseMs: Math.min(FIRST_RETRY_MS, maxMs), maxMs }, random);
  }

  function schedule(atMs: number): void {
    next?.timer.cancel();
    next = { atMs, timer: atWallTime(clock, atMs, () => void attempt()) };
  }

  async function attempt(): Promise<void> {
    if (status === 'busy') {
      renewAgain = true;
      return;
    }
    if (isClosed()) return;
    status = 'busy';
    try {
      const secrets = await obtain();
      if (!isClosed()) accept(secrets);
    } catch (error) {
      if (!isClosed()) fail(error);
    }
    if (isClosed()) return;
    status = 'idle';
    if (renewAgain) {
      renewAgain = false;
      schedule(clock.now());
    }
  }

  async function obtain(): Promise<AgentSecrets> {
    const providedRoots = await inTime(clock, 'the root provider', options.caRootPem());
    seenProvidedRoots = providedRoots;
    const rootsPem = `${providedRoots}\n${hub.current()?.rootCaPem ?? ''}`;
    const addresses = options.caAddress();
    const current = hub.current()?.default;
    if (current && current.expiresAt > clock.now()) {
      try {
        return await certify(addresses.peer, rootsPem, { kind: 'certificate', secret: current });
      } catch (error) {
        logger.info({ error: errorMessage(error) }, 'renewal by certificate failed; trying with a token');
      }
    }
    const token = await inTime(clock, 'the token source', options.tokenSource());
    return certify(addresses.token, rootsPem, { kind: 'token', token });
  }

  async function certify(address: string, rootsPem: string, proof: Proof): Promise<AgentSecrets> {
    const { privateKeyPem, publicKey, csrPem } = newKeyAndRequest(id);
    const chain = await request({ address, rootsPem, serverId, proof, csrPem, ttlSeconds: Math.round(ttlMs / 1000) });
    const certified: CertifiedIdentity = checkAnswer(chain, { spiffeId: id, publicKey, nowMs: clock.now() });
    const { certChainPem, expiresAt, rootCaPem } = certified;
    const secret: WorkloadSecret = { certChainPem, privateKeyPem, spiffeId: id, expiresAt };
    return { default: secret, rootCaPem };
  }

  function accept(secrets: AgentSecrets): void {
    lifetime = { issuedAt: clock.now(), expiresAt: secrets.default.expiresAt };
    failures = 0;
    lastError = undefined;
    backoff = retryBackoff();
    alarm?.cancel();
    alarm = atWallTime(clock, alarmAtMs(lifetime), sayAlarm);
    schedule(renewAtMs(lifetime, random.next()));
    logger.info({ expiresAt: new Date(lifetime.expiresAt).toISOString() }, 'certificate received');
    hub.replace(secrets);
    for (const waiter of waiting) waiter.resolve(secrets);
    waiting.clear();
  }

  function fail(error: unknown): void {
    failures += 1;
    lastError = errorMessage(error);
    const delayMs = backoff.next();
    schedule(clock.now() + delayMs);
    const fields = { error: lastError, failures, retryInMs: Math.round(delayMs), ...timeLeft() };
    const state = lifetime ? urgency(lifetime, clock.now()) : 'calm';
    if (state === 'expired')
      logger.error(fields, 'the certificate has expired and can not be renewed: peers refuse it');
    else if (state === 'alarm') logger.error(fields, 'the certificate expires soon and can not be renewed');
    else logger.warn(fields, lifetime ? 'certificate not renewed yet' : 'no certificate yet');
  }

  function sayAlarm(): void {
    if (isClosed()) return;
    logger.error({ failures, error: lastError, ...timeLeft() }, 'less than a fifth of the certificate is left');
  }

  function timeLeft(): { secondsLeft?: number } {
    return lifetime ? { secondsLeft: Math.round((lifetime.expiresAt - clock.now()) / 1000) } : {};
  }

  /** A new root reaches us here first; the next answer then carries all roots, and the certificate under the new one. */
  async function checkRoots(): Promise<void> {
    try {
      const provided = await inTime(clock, 'the root provider', options.caRootPem());
      if (seenProvidedRoots !== undefined && provided !== seenProvidedRoots && !isClosed()) {
        seenProvidedRoots = provided;
        logger.info({}, 'the roots changed: renewing');
        await attempt();
      }
    } catch (error) {
      logger.debug({ error: errorMessage(error) }, 'roots could not be looked at');
    }
    watchRoots();
  }

  function watchRoots(): void {
    if (!isClosed()) rootCheck = clock.after(ROOT_CHECK_MS, () => void checkRoots());
  }

  return {
    start() {
      if (status !== 'new') return;
      status = 'idle';
      watchRoots();
      void attempt();
    },
    ready() {
      const secrets = hub.current();
      if (secrets) return Promise.resolve(secrets);
      if (isClosed()) return Promise.reject(closedError());
      return new Promise((resolve, reject) => waiting.add({ resolve, reject }));
    },
    secrets: () => hub.current(),
    subscribe: (listener) => hub.subscribe(listener),
    state() {
      const mood = lifetime && urgency(lifetime, clock.now());
      return {
        phase: mood === undefined ? 'waiting' : mood === 'calm' ? 'serving' : mood,
        spiffeId: id,
        failures,
        ...(lifetime ? { expiresAt: lifetime.expiresAt } : {}),
        ...(next ? { renewAt: next.atMs } : {}),
        ...(lastError === undefined ? {} : { lastError }),
      };
    },
    renew() {
      if (status !== 'new') void attempt();
    },
    close() {
      status = 'closed';
      next?.timer.cancel();
      alarm?.cancel();
      rootCheck?.cancel();
      for (const waiter of waiting) waiter.reject(closedError());
      waiting.clear();
    },
  };
}

const closedError = (): WeftError =>
  new WeftError('WEFT_AGENT_CLOSED', 'the agent was closed before it had a certificate');

/** A source that never answers must not hold up renewal for ever. */
function inTime<T>(clock: Clock, what: string, value: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(SOURCE_DEADLINE_MS, () => {
      reject(new WeftError('WEFT_AGENT_SOURCE', `${what} did not answer in ${SOURCE_DEADLINE_MS / 1000} s`));
    });
    Promise.resolve(value)
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
