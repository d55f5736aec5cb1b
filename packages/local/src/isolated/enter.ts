/** Command lines that make namespaces, or put a process into them. Each becomes the program: pid and descriptors stay. Pure. */
import type { CommandLine } from '../workload-place.ts';

/** Tools for administrators are often not on an ordinary user's PATH. */
export const toolPath = (path: string | undefined): string =>
  [path ?? '/usr/local/bin:/usr/bin:/bin', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(':');

/** A network and mount namespace; for who is not root, a user namespace above them in which it is root. */
export const unshareCommand = (userNamespace: boolean, argv: CommandLine): CommandLine => [
  'unshare',
  ...(userNamespace ? ['-U', '-r'] : []),
  '-n',
  '-m',
  '--',
  ...argv,
];

export interface EnterOptions {
  /** A process that is there. */
  readonly pid: number;
  /** It is below a user namespace that the caller is not in yet. */
  readonly userNamespace: boolean;
  /** Entering a mount namespace leads to its root; this leads back. */
  readonly cwd?: string;
}

export function enterCommand(options: EnterOptions, argv: CommandLine): CommandLine {
  const user = options.userNamespace ? ['-U', '--preserve-credentials'] : [];
  const place = ['nsenter', '-t', String(options.pid), ...user, '-n', '-m', '--'] as const;
  return options.cwd === undefined ? [...place, ...argv] : [...place, ...inFolder(options.cwd, argv)];
}

/** Not every nsenter has a flag for the folder. */
const inFolder = (cwd: string, argv: CommandLine): CommandLine => [
  '/bin/sh',
  '-c',
  'cd "$0" && exec "$@"',
  cwd,
  ...argv,
];

/** Back to the user who started the mesh, from root of its user namespace: with no rights over the network namespace. */
export const asUserCommand = (user: { readonly uid: number; readonly gid: number }, argv: CommandLine): CommandLine => [
  'unshare',
  '-U',
  `--map-user=${user.uid}`,
  `--map-group=${user.gid}`,
  '--',
  ...argv,
];
