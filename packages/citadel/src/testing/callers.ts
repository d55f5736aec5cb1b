/** What tests need to play a caller of the authority: tokens, signing requests, gRPC calls. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { der, MESH_TLS, type WorkloadSecret } from '@weft/contracts';
import { IstioCertificateRequestSchema, type IstioCertificateResponse } from '@weft/contracts/full/istio/v1/auth/ca';
import { exportJWK, SignJWT, type JWK } from 'jose';
import { WORKLOAD_CLAIM } from '../authn/bearer-token.ts';
import { certificateService } from '../server/service.ts';

export interface TokenIssuer {
  readonly publicJwk: JWK;
  readonly privateKey: KeyObject;
  /** A good token, but for what is overridden. */
  token(overrides?: Partial<TokenFields>): Promise<string>;
}

export interface TokenFields {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly jti: string | undefined;
  readonly workload: string | undefined;
  /** Unix seconds. */
  readonly iat: number;
  readonly lifetimeSeconds: number;
  readonly key: KeyObject;
  readonly alg: string;
}

export async function createTokenIssuer(nowMs: () => number): Promise<TokenIssuer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    publicJwk: { ...(await exportJWK(publicKey)), kid: 'supervisor-1', alg: 'ES256' },
    privateKey,
    token(overrides = {}) {
      const fields: TokenFields = {
        iss: 'weft-supervisor',
        aud: 'weft-ca',
        sub: 'system:serviceaccount:default:bookinfo-reviews',
        jti: randomUUID(),
        workload: 'reviews-v1',
        iat: Math.floor(nowMs() / 1000),
        lifetimeSeconds: 60,
        key: privateKey,
        alg: 'ES256',
        ...overrides,
      };
      const claims = fields.workload === undefined ? {} : { [WORKLOAD_CLAIM]: fields.workload };
      const jwt = new SignJWT(claims)
        .setProtectedHeader({ alg: fields.alg })
        .setIssuer(fields.iss)
        .setAudience(fields.aud)
        .setSubject(fields.sub)
        .setIssuedAt(fields.iat)
        .setExpirationTime(fields.iat + fields.lifetimeSeconds);
      if (fields.jti !== undefined) jwt.setJti(fields.jti);
      return jwt.sign(fields.key);
    },
  };
}

export interface TestRequest {
  readonly privateKeyPem: string;
  readonly csrPem: string;
}

/** A signing request made without our own code for reading one. */
export function newRequest(
  options: {
    readonly key?: KeyObject;
    /** Signs instead of the key: a request without proof of possession. */
    readonly signingKey?: KeyObject;
    readonly algorithm?: string;
    readonly sans?: readonly string[];
    readonly commonName?: string;
  } = {},
): TestRequest {
  const key = options.key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const names = (options.sans ?? []).map((uri) => der.context(6, Buffer.from(uri), false));
  const san = der.sequence(der.objectId('2.5.29.17'), der.octetString(der.sequence(...names)));
  const attributes =
    names.length === 0
      ? new Uint8Array()
      : der.sequence(der.objectId('1.2.840.113549.1.9.14'), der.set(der.sequence(san)));
  const subject =
    options.commonName === undefined
      ? der.sequence()
      : der.sequence(der.set(der.sequence(der.objectId('2.5.4.3'), der.utf8String(options.commonName))));
  const body = der.sequence(der.unsignedInteger(Uint8Array.of(0)), subject, spki, der.context(0, attributes, true));
  const rsa = key.asymmetricKeyType === 'rsa';
  const algorithm = options.algorithm ?? (rsa ? '1.2.840.113549.1.1.11' : '1.2.840.10045.4.3.2');
  const signature = sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', body, options.signingKey ?? key);
  return {
    privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: der.pem(
      'CERTIFICATE REQUEST',
      der.sequence(body, der.sequence(der.objectId(algorithm)), der.bitString(signature)),
    ),
  };
}

export interface CallOptions {
  readonly port: number;
  readonly rootsPem: string;
  readonly csrPem: string;
  readonly token?: string;
  readonly client?: Pick<WorkloadSecret, 'certChainPem' | 'privateKeyPem'>;
  readonly validitySeconds?: bigint;
  readonly metadata?: Record<string, string>;
  readonly authorization?: readonly string[];
}

/** One CreateCertificate call over TLS. @throws the gRPC ServiceError. */
export async function createCertificate(options: CallOptions): Promise<readonly string[]> {
  const context = createSecureContext({
    ...MESH_TLS,
    ca: options.rootsPem,
    ...(options.client
      ? {
          cert: options.client.certChainPem,
          key: createPrivateKey(options.client.privateKeyPem).export({ type: 'pkcs8', format: 'pem' }),
        }
      : {}),
  });
  const credentials = grpc.credentials.createFromSecureContext(context, { checkServerIdentity: () => undefined });
  const client = new grpc.Client(`127.0.0.1:${options.port}`, credentials, {
    'grpc.ssl_target_name_override': 'control-plane',
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
  });
  const metadata = new grpc.Metadata();
  const authorization = options.token === undefined ? (options.authorization ?? []) : [`Bearer ${options.token}`];
  for (const value of authorization) metadata.add('authorization', value);
  const { path, requestSerialize, responseDeserialize } = certificateService.createCertificate;
  const request = create(IstioCertificateRequestSchema, {
    csr: options.csrPem,
    validityDuration: options.validitySeconds ?? 0n,
    ...(options.metadata ? { metadata: options.metadata } : {}),
  });
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + 10_000 },
        (error, response?: IstioCertificateResponse) => {
          if (response) resolve(response.certChain);
          else reject(error ?? new Error('no answer'));
        },
      );
    });
  } finally {
    client.close();
  }
}

export interface TestServer extends AsyncDisposable {
  readonly port: number;
}

export async function serve(
  handlers: grpc.UntypedServiceImplementation,
  credentials: grpc.ServerCredentials,
): Promise<TestServer> {
  const server = new grpc.Server();
  server.addService(certificateService, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return {
    port,
    [Symbol.asyncDispose]: () => {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}
