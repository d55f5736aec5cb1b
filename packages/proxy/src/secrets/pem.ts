/** Judges PEM texts before anything is made of them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { errorMessage, WeftError } from '@weft/kit';
import type { TlsSecret } from '../ports.ts';

/** @param chainName how the texts are called in a refusal. @throws {WeftError} WEFT_SECRET_FILES */
export function readCertificate(chain: string, key: string, chainName: string, keyName: string): TlsSecret {
  const leaf = read(chainName, () => new X509Certificate(chain));
  const own: KeyObject = read(keyName, () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(own)) throw new WeftError('WEFT_SECRET_FILES', `${keyName} is not the key of ${chainName}`);
  return { certificateChain: chain, privateKey: key };
}

/** @throws {WeftError} WEFT_SECRET_FILES */
export function readRoots(roots: string, name: string): TlsSecret {
  read(name, () => new X509Certificate(roots));
  return { trustedCa: roots };
}

function read<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new WeftError('WEFT_SECRET_FILES', `${name} can not be read: ${errorMessage(error)}`);
  }
}
