// Runs telemetry alone: flags → options → createTelemetry → serve → drain.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { createDirectoryStore } from '@weft/config';
import { PORTS } from '@weft/contracts';
import {
  createLifecycle,
  createLogger,
  errorMessage,
  type Lifecycle,
  LOG_LEVELS,
  type Logger,
  type LogLevel,
  systemClock,
  WeftError,
} from '@weft/kit';
import { createGrpcServer } from '@weft/xds/transport';
import { Command, Option } from 'commander';
import { createTelemetry, type Telemetry } from './telemetry.ts';

const DRAIN_MS = 2_000;

interface Flags {
  readonly dir: string;
  readonly config?: string;
  readonly address: string;
  readonly metricsAddress: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly plaintext: boolean;
  readonly logLevel: LogLevel;
}

const program = new Command('telemetry')
  .description("Takes proxies' metrics, spans and access logs; answers Mixer's Check and Report.")
  .requiredOption('--dir <folder>', 'where the store keeps its files; made when absent')
  .option('--config <folder>', 'YAML files with config.istio.io/v1alpha2 objects; watched')
  .option('--address <host:port>', 'gRPC', `127.0.0.1:${PORTS.xds.port}`)
  .option(
    '--metrics-address <host:port>',
    'HTTP: /metrics, /metrics/mesh, /ready',
    `127.0.0.1:${PORTS.monitoring.port}`,
  )
  .option('--cert <file>', 'PEM chain for the gRPC port')
  .option('--key <file>', 'its key')
  .option('--ca <file>', "PEM of the roots that clients' certificates must lead to")
  .option('--plaintext', 'no TLS and no identities: for trying things out on a loopback address', false)
  .addOption(new Option('--log-level <level>', 'how much is logged to stderr').choices([...LOG_LEVELS]).default('info'))
  .action(run);

await program.parseAsync();

async function run(flags: Flags): Promise<void> {
  const logger = createLogger({ name: 'telemetry', level: flags.logLevel });
  const lifecycle = createLifecycle((name, message) => logger.warn({ name, message }, 'could not close'));
  const stop = (): void => void lifecycle.close().then(() => process.exit(0));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const ports = await start(flags, logger, lifecycle);
    process.stdout.write(`${JSON.stringify({ ready: true, ...ports })}\n`);
  } catch (error) {
    const fix = error instanceof WeftError && error.fix ? `\n${error.fix}` : '';
    process.stderr.write(`telemetry: ${errorMessage(error)}${fix}\n`);
    await lifecycle.close();
    process.exitCode = 1;
  }
}

async function start(
  flags: Flags,
  logger: Logger,
  lifecycle: Lifecycle,
): Promise<{ port: number; metricsPort: number }> {
  const credentials = await credentialsOf(flags);
  const config =
    flags.config === undefined
      ? undefined
      : await createDirectoryStore({ dir: flags.config, clock: systemClock, logger: logger.child({ part: 'config' }) });
  if (config) lifecycle.defer('configuration', () => config.close());
  const telemetry = createTelemetry({
    ...(config ? { config } : {}),
    clock: systemClock,
    logger,
    dir: flags.dir,
    output: {
      stdout: (line) => void process.stdout.write(`${line}\n`),
      stderr: (line) => void process.stderr.write(`${line}\n`),
    },
    options: { requireIdentity: !flags.plaintext },
  });
  lifecycle.defer('telemetry', () => telemetry.close());
  const server = createGrpcServer({ address: flags.address, credentials });
  for (const { definition, implementation } of telemetry.services) server.addService(definition, implementation);
  lifecycle.defer('gRPC server', () => {
    telemetry.drain();
    return server.close(DRAIN_MS);
  });
  const port = await server.listen();
  const pages = createServer((request, response) => {
    servePage(telemetry, request.url ?? '/').then(
      ({ status, body }) => response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body),
      (error: unknown) => response.writeHead(500).end(errorMessage(error)),
    );
  });
  lifecycle.defer('metrics server', () => closeHttp(pages));
  return { port, metricsPort: await listen(pages, flags.metricsAddress) };
}

async function servePage(telemetry: Telemetry, url: string): Promise<{ status: number; body: string }> {
  switch (url.split('?')[0]) {
    case '/metrics':
      return { status: 200, body: await telemetry.metricsPage() };
    case '/metrics/mesh':
      return { status: 200, body: telemetry.meshMetricsPage() };
    case '/ready':
      return { status: 200, body: 'ready\n' };
    default:
      return { status: 404, body: 'known are /metrics, /metrics/mesh and /ready\n' };
  }
}

async function credentialsOf({ cert, key, ca, plaintext, address }: Flags): Promise<grpc.ServerCredentials> {
  if (plaintext) {
    const host = address.slice(0, address.lastIndexOf(':'));
    if (host === 'localhost' || host.startsWith('127.') || host === '[::1]')
      return grpc.ServerCredentials.createInsecure();
    throw new WeftError('WEFT_USAGE', `--plaintext is only for loopback addresses, not ${host}`);
  }
  if (cert === undefined || key === undefined || ca === undefined) {
    throw new WeftError('WEFT_USAGE', 'the gRPC port needs --cert, --key and --ca', {
      fix: 'Give all three, or --plaintext to try things out.',
    });
  }
  const [chain, privateKey, roots] = await Promise.all([cert, key, ca].map((file) => readFile(file)));
  if (!chain || !privateKey || !roots) throw new WeftError('WEFT_USAGE', 'a certificate file is empty');
  return grpc.ServerCredentials.createSsl(roots, [{ cert_chain: chain, private_key: privateKey }], true);
}

function listen(server: Server, address: string): Promise<number> {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new WeftError('WEFT_PORT_TAKEN', `can not listen on ${address}`, { cause: error }));
    });
    server.listen(port, address.slice(0, colon).replace(/^\[|\]$/g, ''), () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function closeHttp(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
