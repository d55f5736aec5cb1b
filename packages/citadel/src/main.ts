// Runs the certificate authority alone: flags → options → createCitadel → serve → drain.
import { readFile } from 'node:fs/promises';
import { DEFAULT_TRUST_DOMAIN, PORTS } from '@weft/contracts';
import { createLifecycle, createLogger, errorMessage, LOG_LEVELS, WeftError, type LogLevel } from '@weft/kit';
import { createGrpcServer } from '@weft/xds/transport';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { JWK } from 'jose';
import { createCitadel } from './citadel.ts';
import { DEFAULT_LEAF_TTL_MS } from './options.ts';
import { createDirectoryStore } from './store/directory-store.ts';

const DRAIN_MS = 2_000;

interface Flags {
  readonly dir: string;
  readonly address: string;
  readonly peerAddress: string;
  readonly jwks: string;
  readonly trustDomain: string;
  readonly ttl: number;
  readonly logLevel: LogLevel;
}

const program = new Command('citadel')
  .description('Issues workload certificates over istio.v1.auth.IstioCertificateService.')
  .requiredOption('--dir <folder>', 'keys and certificates of the authority; made when absent')
  .requiredOption('--jwks <file>', 'JSON Web Key Set: public keys of who makes bootstrap tokens')
  .option('--address <host:port>', 'port for callers with a token', `127.0.0.1:${PORTS.ca.port}`)
  .option('--peer-address <host:port>', 'port for callers with a certificate', `127.0.0.1:${PORTS.xds.port}`)
  .option('--trust-domain <name>', 'first part of every identity', DEFAULT_TRUST_DOMAIN)
  .option(
    '--ttl <seconds>',
    'lifetime of certificates when none is asked for',
    positiveSeconds,
    DEFAULT_LEAF_TTL_MS / 1000,
  )
  .addOption(new Option('--log-level <level>', 'how much is logged to stderr').choices([...LOG_LEVELS]).default('info'))
  .action(run);

await program.parseAsync();

async function run(flags: Flags): Promise<void> {
  const logger = createLogger({ name: 'citadel', level: flags.logLevel });
  const lifecycle = createLifecycle((name, message) => logger.warn({ name, message }, 'could not close'));
  const stop = (): void => void lifecycle.close().then(() => process.exit(0));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const citadel = await createCitadel({
      store: createDirectoryStore(flags.dir),
      tokenKeys: await readKeys(flags.jwks),
      logger,
      trustDomain: flags.trustDomain,
      leafTtlMs: flags.ttl * 1000,
    });
    lifecycle.defer('citadel', () => citadel.close());
    const server = createGrpcServer({ address: flags.address, credentials: citadel.servingCredentials('none') });
    server.addService(citadel.service, citadel.tokenHandlers);
    const peerServer = createGrpcServer({
      address: flags.peerAddress,
      credentials: citadel.servingCredentials('required'),
    });
    peerServer.addService(citadel.service, citadel.peerHandlers);
    lifecycle.defer('servers', async () => {
      await Promise.all([server.close(DRAIN_MS), peerServer.close(DRAIN_MS)]);
    });
    const port = await server.listen();
    const peerPort = await peerServer.listen();
    process.stdout.write(`${JSON.stringify({ ready: true, port, peerPort })}\n`);
  } catch (error) {
    const fix = error instanceof WeftError && error.fix ? `\n${error.fix}` : '';
    process.stderr.write(`citadel: ${errorMessage(error)}${fix}\n`);
    await lifecycle.close();
    process.exitCode = 1;
  }
}

async function readKeys(file: string): Promise<JWK[]> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new WeftError('WEFT_TOKEN_KEY', `${file} can not be read as JSON`, { cause: error });
  }
  const keys: unknown = typeof parsed === 'object' && parsed !== null && 'keys' in parsed ? parsed.keys : undefined;
  if (!Array.isArray(keys))
    throw new WeftError('WEFT_TOKEN_KEY', `${file} is not a JSON Web Key Set: it has no "keys" list`);
  return keys as JWK[];
}

function positiveSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds <= 0)
    throw new InvalidArgumentError('a whole number of seconds, 1 or more');
  return seconds;
}
