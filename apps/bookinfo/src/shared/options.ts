import { parseArgs } from 'node:util';

export interface ServiceOptions {
  readonly host: string;
  readonly port: number;
  readonly version: string;
  /** What to call this instance in answers. */
  readonly instance: string;
  /** Values of the program's own flags; a flag wins over the environment variable of the same name. */
  flag(name: string): string | undefined;
  /** Base address of another service, from `<NAME>_SERVICE_HOST` and `_PORT`, else the service's own name. */
  upstream(service: string): URL;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const SERVICE_PORT = 9080;

/** Wrong flags or variables; the message says which. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** @param ownFlags further flags of this program, each with one value, described for `--help`. */
export function parseOptions(
  service: string,
  argv: readonly string[],
  env: Environment,
  ownFlags: Readonly<Record<string, string>> = {},
): ServiceOptions | { readonly help: string } {
  const flags = readFlags(argv, Object.keys(ownFlags));
  if (flags['help'] !== undefined) return { help: helpText(service, ownFlags) };
  const value = (name: string): string | undefined =>
    flags[name] ?? nonEmpty(env[name.toUpperCase().replaceAll('-', '_')]);
  const version = flags['version'] ?? nonEmpty(env['SERVICE_VERSION']) ?? 'v1';
  return {
    host: value('host') ?? '127.0.0.1',
    port: port('port', value('port') ?? String(SERVICE_PORT)),
    version,
    instance: nonEmpty(env['POD_NAME']) ?? `${service}-${version}`,
    flag: value,
    upstream(name) {
      const prefix = `${name.toUpperCase()}_SERVICE`;
      const host = nonEmpty(env[`${prefix}_HOST`]) ?? name;
      const at = port(`${prefix}_PORT`, nonEmpty(env[`${prefix}_PORT`]) ?? String(SERVICE_PORT));
      return new URL(`http://${host.includes(':') ? `[${host}]` : host}:${at}`);
    },
  };
}

function readFlags(argv: readonly string[], own: readonly string[]): Record<string, string | undefined> {
  const names = ['host', 'port', 'version', ...own];
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
        help: { type: 'boolean' as const, short: 'h' },
      },
    });
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
  } catch (error) {
    throw new OptionError(`${error instanceof Error ? error.message : String(error)} (see --help)`);
  }
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

function port(name: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535)
    throw new OptionError(`${name} must be a port from 0 to 65535, not "${text}"`);
  return value;
}

function helpText(service: string, own: Readonly<Record<string, string>>): string {
  const rows = [
    ['--host ADDRESS', 'where to listen; default 127.0.0.1 ($HOST)'],
    ['--port PORT', 'default 9080; 0 takes a free one ($PORT)'],
    ['--version NAME', 'which version to be; default v1 ($SERVICE_VERSION)'],
    ...Object.entries(own).map(([name, text]) => [`--${name}`, text]),
    ['--help', 'this text'],
  ];
  const lines = rows.map(([flag = '', text = '']) => `  ${flag.padEnd(20)} ${text}`);
  return `usage: ${service} [options]\n\n${lines.join('\n')}\n`;
}
