import type { WorkloadIdentity, WorkloadSecret } from '@weft/contracts';
import { controlPlaneId, DEFAULT_TRUST_DOMAIN, parseSpiffeId } from '@weft/contracts';
import { systemClock, systemRandom, WeftError, type Clock, type Logger, type Random } from '@weft/kit';
import type { JWK } from 'jose';
import { createBearerTokenAuthenticator } from './authn/bearer-token.ts';
import { createClientCertificateAuthenticator } from './authn/client-certificate.ts';
import { createCertificateAuthority } from './ca/certificate-authority.ts';
import { newPrivateKey, privateKeyPem, publicKeyDer } from './ca/keys.ts';
import { buildSelfSigned, checkMaterial } from './ca/material.ts';
import { createCitadelMetrics } from './metrics.ts';
import {
  DEFAULT_LEAF_TTL_MS,
  DEFAULT_MAX_LEAF_TTL_MS,
  DEFAULT_ROOT_TTL_MS,
  DEFAULT_TOKEN_AUDIENCE,
  DEFAULT_TOKEN_ISSUER,
} from './options.ts';
import { certificateService, createHandlers, type CertificateHandlers } from './server/service.ts';
import {
  createServingCredentials,
  type ClientCertificates,
  type ServingCredentials,
} from './server/serving-credentials.ts';
import type { CaStore } from './store/ca-store.ts';
import { loadOrCreate } from './store/load-or-create.ts';

export interface CitadelOptions {
  readonly store: CaStore;
  /** Public keys (EC P-256) of whoever makes bootstrap tokens. */
  readonly tokenKeys: readonly JWK[];
  readonly logger: Logger;
  readonly trustDomain?: string;
  /** Other trust domains whose names callers may still carry. */
  readonly trustDomainAliases?: readonly string[];
  readonly tokenIssuer?: string;
  readonly tokenAudience?: string;
  /** Lifetime of a certificate when none is asked for. Default 24 h. */
  readonly leafTtlMs?: number;
  /** More than this is refused. Default 90 days. */
  readonly maxLeafTtlMs?: number;
  /** Lifetime of a new root. Default 10 years. */
  readonly rootTtlMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface Citadel {
  readonly service: typeof certificateService;
  /** For a port without client certificates: the caller proves itself by a token. */
  readonly tokenHandlers: CertificateHandlers;
  /** For a mutual TLS port: the caller is who its client certificate says. */
  readonly peerHandlers: CertificateHandlers;
  /** All roots, PEM. */
  rootBundlePem(): string;
  /** What stands between a leaf and its root, nearest first; one PEM block each. */
  intermediatesPem(): readonly string[];
  /** A new key and certificate for a part of the control plane itself. */
  issueInternal(identity: WorkloadIdentity, ttlMs?: number): WorkloadSecret;
  /** TLS for a gRPC server of the control plane under its own identity, renewed until `close`. */
  servingCredentials(clients: ClientCertificates): ServingCredentials['credentials'];
  /** Prometheus text. */
  metricsText(): string;
  close(): void;
}

/** @throws {WeftError} when the stored authority is incomplete, damaged or readable by others, or a token key is not usable. */
export async function createCitadel(options: CitadelOptions): Promise<Citadel> {
  const { store, tokenKeys, logger } = options;
  const { clock = systemClock, random = systemRandom, trustDomain = DEFAULT_TRUST_DOMAIN } = options;
  const { leafTtlMs = DEFAULT_LEAF_TTL_MS, maxLeafTtlMs = DEFAULT_MAX_LEAF_TTL_MS } = options;
  const controlPlane = parseSpiffeId(controlPlaneId(trustDomain));
  if (!controlPlane) throw new WeftError('WEFT_TRUST_DOMAIN', `"${trustDomain}" is not a trust domain`);

  const nowMs = clock.now();
  const ttlMs = options.rootTtlMs ?? DEFAULT_ROOT_TTL_MS;
  const { material, created } = await loadOrCreate(store, () => buildSelfSigned({ trustDomain, nowMs, ttlMs, random }));
  const bundle = checkMaterial(material);
  logger.info(
    { roots: bundle.rootsPem.length, notAfter: new Date(bundle.notAfter).toISOString(), created },
    'certificate authority ready',
  );

  const authority = createCertificateAuthority(bundle, clock, random);
  const metrics = createCitadelMetrics(clock, authority);
  const shared = { authority, metrics, logger, options: { defaultTtlMs: leafTtlMs, maxTtlMs: maxLeafTtlMs } };
  const byToken = await createBearerTokenAuthenticator({
    keys: tokenKeys,
    issuer: options.tokenIssuer ?? DEFAULT_TOKEN_ISSUER,
    audience: options.tokenAudience ?? DEFAULT_TOKEN_AUDIENCE,
    trustDomain,
    clock,
  });
  const byCertificate = createClientCertificateAuthenticator({
    trustDomains: [trustDomain, ...(options.trustDomainAliases ?? [])],
    clock,
  });
  const serving: ServingCredentials[] = [];

  const issueInternal = (identity: WorkloadIdentity, wantedTtlMs = leafTtlMs): WorkloadSecret => {
    const key = newPrivateKey();
    const leaf = authority.issue({ identity, publicKey: publicKeyDer(key), ttlMs: wantedTtlMs });
    metrics.issued('internal');
    return {
      certChainPem: [leaf.leafPem, ...leaf.intermediatesPem].join(''),
      privateKeyPem: privateKeyPem(key),
      spiffeId: leaf.spiffeId,
      expiresAt: leaf.notAfter,
    };
  };

  return {
    service: certificateService,
    tokenHandlers: createHandlers({ ...shared, authenticate: byToken }),
    peerHandlers: createHandlers({ ...shared, authenticate: byCertificate }),
    rootBundlePem: () => authority.rootsPem(),
    intermediatesPem: () => authority.intermediatesPem(),
    issueInternal,
    servingCredentials(clientCertificates) {
      const created = createServingCredentials({
        renew: () => issueInternal(controlPlane),
        rootsPem: () => authority.rootsPem(),
        clientCertificates,
        clock,
        random,
        logger,
      });
      serving.push(created);
      return created.credentials;
    },
    metricsText: () => metrics.render(),
    close() {
      for (const item of serving.splice(0)) item.close();
    },
  };
}
