/** Short-lived tokens by which a workload's agent asks citadel for its first certificate. */
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose';
import type { Clock, Random } from '@weft/kit';

export const TOKEN_ISSUER = 'weft-supervisor';
export const TOKEN_AUDIENCE = 'weft-ca';
const LIFETIME_S = 300;

export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly workload: string;
}

export interface TokenSigner {
  /** For citadel, to verify with. */
  readonly publicJwk: JWK;
  /** A token for one certificate request; citadel refuses it the second time. */
  sign(subject: TokenSubject): Promise<string>;
}

/** The key lives in this process's memory only: tokens end with their supervisor. */
export async function createTokenSigner(clock: Clock, random: Random): Promise<TokenSigner> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const publicJwk = { ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig' };
  return {
    publicJwk,
    sign({ namespace, serviceAccount, workload }) {
      const nowS = Math.floor(clock.now() / 1000);
      return new SignJWT({ 'weft.dev/workload': workload })
        .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
        .setIssuer(TOKEN_ISSUER)
        .setAudience(TOKEN_AUDIENCE)
        .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
        .setIssuedAt(nowS)
        .setExpirationTime(nowS + LIFETIME_S)
        .setJti(Buffer.from(random.bytes(16)).toString('hex'))
        .sign(privateKey);
    },
  };
}
