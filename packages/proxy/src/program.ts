// Runs one proxy: flags → options → startProxyProcess → drain.
import { availableParallelism, hostname } from 'node:os';
import {
  createLifecycle,
  createLogger,
  errorMessage,
  LOG_LEVELS,
  systemClock,
  systemRandom,
  WeftError,
} from '@weft/kit';
import { Command, Option } from 'commander';
import { type ProxyFlags, readOptions } from './options.ts';
import { type ProxyProcess, startProxyProcess } from './process.ts';

const VERSION = '0.1.0';
const DRAIN_MS = 5_000;
const END_WITHIN_MS = 3_000;
// From an error that nobody expected to the end, whatever hangs.
const FAIL_WITHIN_MS = 5_000;

const collect = (value: string, former: readonly string[]): readonly string[] => [...former, value];

interface ProgramDeps {
  /** The file that threads run, too. */
  readonly program: URL;
  readonly environment: (name: string) => string | undefined;
}

export async function runProgram(deps: ProgramDeps): Promise<void> {
  await new Command('proxy')
    .description('The data plane of a mesh: a sidecar or gateway configured over xDS.')
    .version(VERSION)
    .requiredOption('--node-id <id>', 'xDS node id: TYPE~IP~NAME.NAMESPACE~DOMAIN, TYPE sidecar or router')
    .option('--metadata <json>', 'node metadata: NAMESPACE, WORKLOAD_NAME, LABELS, CLUSTER_ID, ...', '{}')
    .option('--xds <address>', 'HOST:PORT of the control plane; else the parent tells it')
    .option('--xds-plaintext', 'the control plane speaks without TLS; for a loopback address or a Unix socket only')
    .option('--xds-server-name <name>', "DNS name or SPIFFE id of a control plane that is not Weft's, e.g. istiod")
    .option('--xds-roots <file>', 'roots that its certificate leads to (default: those of --secrets-dir)')
    .option('--xds-token <file>', 'token that tells it who asks (default: the certificate of --secrets-dir does)')
    .option('--secrets-dir <dir>', 'folder with cert-chain.pem, key.pem and root-cert.pem, where no parent sends them')
    .option('--secret-files <dir>', 'folder whose files TLS settings may name; repeatable', collect, [])
    .option('--system-roots <file>', "what file-root:system stands for (default: the system's)")
    .option('--save-dir <dir>', 'folder for the last good configuration')
    .option('--admin <address:port>', 'loopback address of the admin page')
    .option('--admin-token <file>', 'token that changes by the admin page need; without it nobody may change anything')
    .option('--listen-fd <address:port=fd>', 'listening socket that the parent made; repeatable', collect, [])
    .option('--datagram-fd <address:port=fd>', 'datagram socket that the parent made, for DNS; repeatable', collect, [])
    .option('--replace', 'another process serves these sockets: listen when ready to, not before')
    .option('--drain-time-s <seconds>', 'how long connections of a listener that was removed may go on', '45')
    .option('--max-connections <n>', 'client connections at once (default: 10000, or half of the descriptors)')
    .option('--max-waiting-handshakes <n>', 'clients that may wait until their TLS handshake begins', '1024')
    .option(
      '--max-memory-mib <n>',
      'heap and buffers; near it clients are let go, requests refused, then connections',
      '1024',
    )
    .option('--parent-fd <fd>', 'socket to the parent: secrets and commands; the proxy ends when it closes')
    .option('--socket-mark <n>', 'mark of every connection to an upstream, for redirect rules to leave it alone')
    .option('--dns-listen <address:port>', 'loopback address where the workload asks for names, UDP and TCP')
    .option('--dns-upstream <server>', 'who is asked for other names: IP:PORT, or unix:PATH for DNS over a stream')
    .option('--dns-authoritative', "no other server knows the mesh's domain: unknown names in it are denied, not asked")
    .option('--concurrency <n>', 'threads that carry the traffic; 0 = one per core', '1')
    .option('--reject-unknown-dynamic-fields', 'refuse resources with fields that this proxy does not read')
    .addOption(
      new Option('--log-level <level>', 'how much is logged to stderr').choices([...LOG_LEVELS]).default('info'),
    )
    .action((flags: ProxyFlags) => run(flags, deps))
    .parseAsync();
}

async function run(flags: ProxyFlags, { program, environment }: ProgramDeps): Promise<void> {
  const logger = createLogger({ name: 'proxy' });
  const lifecycle = createLifecycle((name, message) => logger.warn({ name, message }, 'could not close'));
  const end = (code: number): void => {
    // What can not be closed in time is not waited for: the parent counts on the end.
    setTimeout(() => process.exit(code), END_WITHIN_MS).unref();
    void lifecycle.close().then(() => process.exit(code));
  };
  // The parent reads the log; when it is gone there is nobody to tell, and the lifeline ends the process.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  let running: ProxyProcess | undefined;
  let failed = false;
  // Rejections that nobody handles come here as well.
  process.on('uncaughtException', (error) => {
    logger.error({ error: error.stack ?? errorMessage(error) }, 'unexpected error');
    if (failed || running === undefined) process.exit(1);
    failed = true;
    setTimeout(() => process.exit(1), FAIL_WITHIN_MS);
    running.fail();
  });
  // As Envoy does. Node by itself would open a port for debuggers.
  process.on('SIGUSR1', () => running?.reopenLogs());
  try {
    const options = readOptions(flags, availableParallelism());
    logger.setLevel(options.logLevel);
    running = await startProxyProcess(options, {
      clock: systemClock,
      random: systemRandom,
      logger,
      lifecycle,
      // A chunk of its own: it brings 20 MB of descriptors along.
      loadConfigDump: () => import('./admin/config-dump.ts'),
      version: VERSION,
      hostname: hostname(),
      environment,
      workerProgram: program,
      onEnd: (why, workerFailed = false) => {
        logger.info({ why }, 'ending');
        end(failed || workerFailed ? 1 : 0);
      },
    });
    let asked = false;
    const started = running;
    const stop = (): void => {
      if (asked) end(failed ? 1 : 0);
      asked = true;
      void started.drain(DRAIN_MS);
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
  } catch (error) {
    const fix = error instanceof WeftError && error.fix !== undefined ? `\n  fix: ${error.fix}` : '';
    process.stderr.write(`proxy: ${errorMessage(error)}${fix}\n`);
    await lifecycle.close();
    process.exitCode = error instanceof WeftError && error.code === 'WEFT_OPTION' ? 64 : 1;
  }
}
