/** How the control plane is reached at this moment: its address, what it is known by, and what says who asks. */
import { controlPlaneId, parseSpiffeId } from '@weft/contracts';
import { type Clock, type Logger, WeftError } from '@weft/kit';
import type { ChannelTarget } from '@weft/xds';
import type { ProxyOptions } from '../options.ts';
import { readRoots } from './pem.ts';
import type { SecretStore } from './secret-store.ts';
import { watchFiles } from './watched-files.ts';

export interface ControlPlaneTarget {
  /** @throws {WeftError} while something for it is missing. */
  now(): ChannelTarget;
  close(): void;
}

export interface ControlPlaneTargetDeps {
  readonly options: Pick<ProxyOptions, 'xdsPlaintext' | 'xdsServer' | 'secretsDir'>;
  /** undefined as long as it is not known. */
  readonly address: () => string | undefined;
  readonly secrets: Pick<SecretStore, 'identity'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const MAX_ROOTS_BYTES = 1024 * 1024;
const MAX_TOKEN_BYTES = 64 * 1024;
/** What a header may hold; a token that is not that would break out of it. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Has looked for its files once when it resolves. */
export async function createControlPlaneTarget(deps: ControlPlaneTargetDeps): Promise<ControlPlaneTarget> {
  const { options, address, secrets } = deps;
  const { xdsServer: server } = options;
  const { rootsFile, tokenFile } = server ?? {};
  const roots = rootsFile === undefined ? undefined : await watchText(rootsFile, MAX_ROOTS_BYTES, deps, readPem);
  const token = tokenFile === undefined ? undefined : await watchText(tokenFile, MAX_TOKEN_BYTES, deps, readToken);

  const byName = (name: string, where: string): ChannelTarget => {
    const { identity } = secrets;
    const rootsPem = roots === undefined ? identity?.rootCaPem : roots.text();
    if (rootsPem === undefined) throw missing('certificate and key have not been read yet');
    if (token === undefined && identity === undefined) throw missing('certificate and key have not been read yet');
    return {
      address: where,
      rootsPem,
      serverId: name,
      ...(token === undefined ? {} : { token: token.text() }),
      // With a token, too: who has a certificate shows it.
      ...(identity === undefined
        ? {}
        : { own: { certChainPem: identity.certChainPem, privateKeyPem: identity.privateKeyPem } }),
    };
  };

  return {
    now() {
      const where = address();
      if (where === undefined)
        throw new WeftError('WEFT_NO_CONTROL_PLANE', 'the address of the control plane is not known yet');
      if (options.xdsPlaintext) return { address: where, plaintext: true };
      if (server !== undefined) return byName(server.name, where);
      const { identity } = secrets;
      if (identity === undefined) throw missing('the parent has sent no certificate yet');
      return {
        address: where,
        rootsPem: identity.rootCaPem,
        serverId: controlPlaneId(parseSpiffeId(identity.spiffeId)?.trustDomain),
        own: { certChainPem: identity.certChainPem, privateKeyPem: identity.privateKeyPem },
      };
    },
    close() {
      roots?.close();
      token?.close();
    },
  };
}

const missing = (reason: string): WeftError => new WeftError('WEFT_NO_IDENTITY', reason);

const readPem = (text: string, path: string): string => readRoots(text, path).trustedCa ?? '';

function readToken(text: string, path: string): string {
  const token = text.trim();
  if (!TOKEN.test(token)) throw new WeftError('WEFT_SECRET_FILES', `${path} holds no token`);
  return token;
}

/** What writes to the admin page need, from a file that may be renewed. */
export async function watchToken(
  path: string,
  deps: Pick<ControlPlaneTargetDeps, 'clock' | 'logger'> & { readonly onToken: (token: string) => void },
): Promise<{ close(): void }> {
  return watchFiles([path], {
    clock: deps.clock,
    maxBytes: MAX_TOKEN_BYTES,
    onTexts: ([text = '']) => deps.onToken(readToken(text, path)),
    onFault: (reason) => deps.logger.warn({ path, reason }, 'the token of the admin page can not be read'),
  });
}

/** @param read judges it. */
async function watchText(
  path: string,
  maxBytes: number,
  { clock, logger }: Pick<ControlPlaneTargetDeps, 'clock' | 'logger'>,
  read: (text: string, path: string) => string,
): Promise<{ text(): string; close(): void }> {
  let text: string | undefined;
  let fault = '';
  const watched = await watchFiles([path], {
    clock,
    maxBytes,
    onTexts: ([one = '']) => (text = read(one, path)),
    onFault(reason) {
      fault = reason;
      logger.warn({ path, reason }, 'a file for the control plane can not be taken');
    },
  });
  return {
    text() {
      if (text === undefined) throw missing(fault);
      return text;
    },
    close: () => watched.close(),
  };
}
