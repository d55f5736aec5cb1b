/** The `weft` command: flags to values, each command loaded only when it is called. */
import { Command, CommanderError, Option } from 'commander';
import { WeftError } from '@weft/kit';
import packageJson from '../package.json' with { type: 'json' };
import { EXIT } from './exit-codes.ts';
import { reportError } from './output/errors.ts';

const collect = (value: string, list: readonly string[]): string[] => [...list, value];

/** Runs a command's function and makes its result the exit code. */
function action<Args extends readonly unknown[]>(
  load: (...args: Args) => Promise<number>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    const flags = args.findLast(
      (item): item is Record<string, unknown> =>
        typeof item === 'object' && item !== null && !Array.isArray(item) && !(item instanceof Command),
    );
    try {
      process.exitCode = await load(...args);
    } catch (error) {
      process.exitCode = reportError(error, flags?.['output'] === 'json');
    }
  };
}

function meshFlags(command: Command): Command {
  return command
    .option('--state <dir>', 'folder for all state of the mesh (default: $WEFT_STATE or ~/.weft)')
    .addOption(
      new Option('--ports <how>', 'the documented ports, or any free ones where no port is named')
        .choices(['fixed', 'auto'])
        .default('fixed'),
    )
    .addOption(
      new Option(
        '--interception <how>',
        'isolated: each workload in a network namespace of its own; loopback: by addresses of 127.0.0.0/8 (default: $WEFT_INTERCEPTION or auto, which takes the first that works)',
      ).choices(['auto', 'loopback', 'isolated']),
    )
    .option('--gateway-port <port>', 'where the gateway listens; 0 takes a free one (default: 8080)')
    .option('--console-port <port>', 'where the console listens; 0 takes a free one (default: 20001)')
    .option('--trust-domain <name>', 'trust domain of all identities (default: cluster.local)')
    .addOption(
      new Option('--access-log <how>', 'what proxies log of each request')
        .choices(['text', 'json', 'off'])
        .default('text'),
    )
    .option('--trace-sampling <percent>', 'share of requests that are traced when their caller did not decide', '100')
    .option('--no-tls-resumption', 'sidecars make a whole TLS handshake for every connection to each other')
    .option(
      '--path-normalization <mode>',
      'what paths are made equal before they are matched: NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES (default: BASE)',
    )
    .option('--certificate-ttl <seconds>', 'lifetime of workload certificates; renewed at its half (default: 86400)')
    .option(
      '--proxy-concurrency <n>',
      'threads that carry the traffic of each proxy; 0 takes one per core (default: 1)',
    )
    .option('--max-connections <n>', 'client connections that a proxy holds at once (default: 10000)')
    .option('--max-waiting-handshakes <n>', 'clients of a proxy whose TLS handshake may wait to begin (default: 1024)')
    .option('--max-memory <mib>', 'memory of a proxy, near which it refuses requests (default: 1024)')
    .option('--drain <seconds>', 'how long requests may still take when stopping (default: 3)')
    .option('--log-level <level>', "level of the mesh's own logs (default: info)");
}

function workloadFlags(command: Command): Command {
  return (
    scoped(state(command))
      .option('--service <name>', 'the service that it is an instance of')
      .option('--version <version>', 'value of its version label', 'v1')
      .option('--name <name>', "the workload's name (default: SERVICE-VERSION)")
      // Not a required one of the parser's: it would hide an unknown option behind the missing one.
      .option('--port <port>', 'the port that clients call (needed)')
      .option('--protocol <name>', "the port's name; its first word is the protocol: http, tcp, grpc", 'http')
      .option('--service-account <name>', 'its identity (default: the service)')
      .option('--label <key=value>', 'a label; may be repeated', collect, [])
      .option('--locality <region/zone/subzone>', 'where it is, for balancing by place')
      .option(
        '--health-path <path>',
        'GET this path once a second to see whether it hangs (default: only connect to its port)',
      )
  );
}

const AGENT_HELP = `
What the program needs in its environment goes to standard output, one NAME=VALUE a line.

Example:
  weft agent --service reviews --version v2 --port 9080 --bootstrap envoy.json > reviews.env &
  envoy -c envoy.json --drain-strategy immediate --drain-time-s 5 &
  env $(cat reviews.env) node reviews.js`;

const RESTART_HELP = `
The new process gets the same listening sockets and begins when it is ready. The one before answers what it has, tells
its clients to connect anew, and ends when they have. After an update of Weft this puts the new version into service.

Examples:
  weft restart reviews-v2
  weft restart weft-gateway -n weft-system --wait
  weft restart --all`;

const state = (command: Command): Command =>
  command.option('--state <dir>', 'folder of the mesh (default: $WEFT_STATE or ~/.weft)');
const remote = (command: Command): Command =>
  state(command).option('--timeout <seconds>', 'give up after this long (default: 30)');
const waiting = (command: Command): Command =>
  command.option('--wait <duration>', 'how long to wait until the proxies concerned have it; 0 returns at once', '10s');
const scoped = (command: Command): Command => command.option('-n, --namespace <name>', 'namespace', 'default');
const output = (command: Command, formats: string): Command =>
  command.option('-o, --output <format>', `output format: ${formats}`);

export function createProgram(): Command {
  const program = new Command('weft')
    .description('An Istio-compatible service mesh that runs whole on one machine.')
    .version(packageJson.version, '-V, --version', 'print the version of this command')
    .showHelpAfterError('(run with --help for what is possible)')
    .configureHelp({ sortSubcommands: false })
    // --version after `run` is the workload's, not ours.
    .enablePositionalOptions()
    .exitOverride();

  meshFlags(program.command('up'))
    .description('start control plane and gateway, until Ctrl-C')
    .option('--no-gateway', 'without the ingress gateway')
    .action(action(async (flags) => (await import('./commands/up.ts')).up(flags)));
  meshFlags(program.command('demo'))
    .description('start the mesh with the Bookinfo sample in it, until Ctrl-C')
    .option('--traffic [rps]', 'make a little traffic (5 requests per second, or as many as given)')
    .option('--without <parts>', 'leave out parts of Bookinfo, comma-separated: services or workloads')
    .option('--timeout <seconds>', 'give up when no page has come after this long (default: 30)')
    .action(action(async (flags) => (await import('./commands/demo.ts')).demo(flags)));
  workloadFlags(program.command('run'))
    .description('run a program as a workload of the mesh, in the foreground')
    .argument('<command...>', 'the program and its arguments, after --; {host} and {port} are filled in')
    .option('--drain <seconds>', 'how long requests may still take when stopping (default: 3)')
    .addHelpText('after', '\nExample:\n  weft run --service reviews --version v2 --port 9080 -- node reviews.js')
    .action(action(async (command, flags) => (await import('./commands/run.ts')).run(command, flags)));
  output(workloadFlags(program.command('agent')), 'json')
    .description('join the mesh with a sidecar of your own, such as Envoy: keep its identity and serve it by SDS')
    .option('--app-port <port>', 'where the program listens on 127.0.0.1 (default: a free port)')
    .option('--sds-socket <path>', "Unix socket for the secrets (default: in the mesh's state folder)")
    .option('--bootstrap <file>', "write Envoy's bootstrap for this workload")
    .addHelpText('after', AGENT_HELP)
    .action(action(async (flags) => (await import('./commands/agent.ts')).agent(flags)));
  output(waiting(remote(program.command('apply'))), 'json, yaml, name')
    .description('give configuration to the mesh')
    .requiredOption('-f, --filename <path>', 'file, folder or - for standard input; may be repeated', collect, [])
    .option('--dry-run', 'say what would change, change nothing')
    .action(action(async (flags) => (await import('./commands/apply.ts')).apply(flags)));
  output(scoped(remote(program.command('get'))), 'table, json, yaml, name')
    .description('show configuration')
    .argument('[kind]', 'kind, short name or KIND/NAME; all kinds when absent')
    .argument('[name]')
    .option('-A, --all-namespaces', 'in every namespace')
    .option('--no-headers', 'without the line of headers')
    .action(action(async (kind, name, flags) => (await import('./commands/get.ts')).get(defined(kind, name), flags)));
  waiting(scoped(remote(program.command('delete'))))
    .description('take configuration away')
    .argument('[kind]', 'kind, short name or KIND/NAME')
    .argument('[name]')
    .option('-f, --filename <path>', 'delete what this file, folder or - holds', collect, [])
    .option('--dry-run', 'say what would go, delete nothing')
    .option('--ignore-not-found', 'what is already gone is no error')
    .action(
      action(async (kind, name, flags) => (await import('./commands/delete.ts')).remove(defined(kind, name), flags)),
    );
  scoped(state(program.command('exec')))
    .description('run a command where the application of a workload runs')
    .argument('<workload>', 'its name')
    .argument('[command...]', 'the command and its arguments, after -- (default: $SHELL)')
    .action(
      action(async (name: string, command: string[], flags) =>
        (await import('./commands/exec.ts')).exec(name, command, flags),
      ),
    );
  output(scoped(state(program.command('restart'))), 'text, json')
    .description('give workloads a new sidecar process without losing a request; their programs are not touched')
    .argument('[workload...]', 'their names')
    .option('--all', 'every workload and the gateway, one after the other')
    .option('--drain <seconds>', 'how long connections of the process before may go on (default: 45)')
    .option('--wait', 'until the process before has ended; says what its deadline cut')
    .addHelpText('after', RESTART_HELP)
    .action(action(async (names: string[], flags) => (await import('./commands/restart.ts')).restart(names, flags)));
  output(remote(program.command('status')), 'table, json, yaml')
    .description('health of the mesh: its parts, workloads, what is not in sync, and where to look')
    .option('--all', 'also what each proxy has, certificates and every listener')
    .action(action(async (flags) => (await import('./commands/status.ts')).status(flags)));
  remote(program.command('dashboard'))
    .description('open the console, signed in')
    .argument('[page]', 'overview, traffic (or graph), services, workloads, traces, config or mesh')
    .option('--no-browser', 'only print the address')
    .action(action(async (page, flags) => (await import('./commands/dashboard.ts')).dashboard(page, flags)));
  scoped(state(program.command('logs')))
    .description('output of a workload, or of control-plane and supervisor')
    .argument('<name>', 'a workload, control-plane or supervisor')
    .option('--proxy', "the sidecar's log instead of the program's")
    .option('-f, --follow', 'go on as lines come')
    .option('--tail <lines>', 'how many lines from the end', '200')
    .action(action(async (name, flags) => (await import('./commands/logs.ts')).logs(name, flags)));
  output(remote(program.command('version')), 'table, json, yaml')
    .description('versions of this command and of the running control plane')
    .option('--client', 'only of this command')
    .action(action(async (flags) => (await import('./commands/version.ts')).version(flags)));
  program
    .command('completion')
    .description('shell completion: add its output to your shell')
    .argument('<shell>', 'bash, zsh or fish')
    .action(action(async (shell: string) => (await import('./commands/completion.ts')).completion(shell, program)));
  return program;
}

const defined = (...words: readonly (string | undefined)[]): string[] => words.filter((word) => word !== undefined);

async function main(): Promise<void> {
  const program = createProgram();
  program.commands.forEach((command) => command.exitOverride());
  try {
    if (process.argv.length <= 2) {
      program.outputHelp();
      return;
    }
    await program.parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      process.exitCode = reportError(error, false);
      return;
    }
    // Commander has already printed what is wrong.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

await main().catch((error: unknown) => {
  process.exitCode = reportError(new WeftError('WEFT_INTERNAL', String(error), { cause: error }), false);
});
