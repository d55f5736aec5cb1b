import { destination as pinoDestination, pino } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log. Fields come first; the message is a fixed sentence, so that lines can be grouped by it. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Logger;
  level(): LogLevel;
  setLevel(level: LogLevel): void;
}

export interface LoggerOptions {
  readonly name: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** File descriptor; default 2 (stderr), since stdout is for answers. */
  readonly fd?: number;
}

// Values under these names never reach a log, whatever object carries them.
const SECRET_PATHS = ['authorization', 'cookie', 'token', 'privateKey', 'privateKeyPem', 'key', 'password'];

/** JSON lines; control bytes in values are escaped by the encoding. */
export function createLogger(options: LoggerOptions): Logger {
  const root = pino(
    {
      name: options.name,
      level: options.level ?? 'info',
      base: { name: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_PATHS.flatMap((path) => [path, `*.${path}`]), censor: '[redacted]' },
    },
    pinoDestination({ fd: options.fd ?? 2, sync: true }),
  );
  return wrap(root);
}

function wrap(target: pino.Logger): Logger {
  return {
    debug: (fields, message) => target.debug(fields, message),
    info: (fields, message) => target.info(fields, message),
    warn: (fields, message) => target.warn(fields, message),
    error: (fields, message) => target.error(fields, message),
    child: (fields) => wrap(target.child(fields)),
    level: () => target.level as LogLevel,
    setLevel: (level) => {
      target.level = level;
    },
  };
}

const nothing = (): void => {};

/** Logs nothing: for tests, and for libraries that were given no logger. */
export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
  level: () => 'silent',
  setLevel: nothing,
};
