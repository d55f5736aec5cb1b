/** Whether this machine and this user can have the isolated form. */
import { spawnSync } from 'node:child_process';
import { loadLibc } from '../libc.ts';
import type { PodPlan } from '../mesh-link.ts';
import { toolPath, unshareCommand } from './enter.ts';

export type IsolationCheck =
  | { readonly possible: true; readonly tool: PodPlan['tool']; readonly userNamespace: boolean }
  | { readonly possible: false; readonly missing: string; readonly fix: string };

export interface CheckDeps {
  readonly platform: string;
  readonly isRoot: boolean;
  /** Why they are not possible. */
  readonly noNativeCalls?: string;
  /** Runs the trial in new namespaces. */
  readonly tryOut: (userNamespace: boolean) => Trial;
}

/** What the trial printed: the step that it was at when it ended, or the tool for rules. */
export interface Trial {
  readonly ended: 'well' | 'badly' | 'not-found';
  readonly lastLine: string;
}

/** All that a hub and a pod need, done once; each step is named before it. */
export const TRIAL = `
step() { echo "$*"; }
step ip; command -v ip; step nsenter; command -v nsenter
step bridge; ip link add weft0 type bridge; ip link set weft0 up
step pod; unshare -n -m /bin/sh -c 'mount --bind /dev/null /etc/resolv.conf || [ ! -e /etc/resolv.conf ]'
step veth; ip link add weft2 type veth peer name weft3
step rules
if command -v iptables-restore && printf '*nat\\n-A OUTPUT -p tcp -m mark --mark 1337 -j ACCEPT\\n-A OUTPUT -p tcp -j REDIRECT --to-ports 15001\\nCOMMIT\\n' | iptables-restore --noflush
then step iptables
else printf 'table ip weft { chain o { type nat hook output priority -100; meta mark 1337 accept; tcp dport 0-65535 redirect to :15001; }; }\\n' | nft -f - && step nft
fi
`;

const FIXES: Readonly<Record<string, readonly [missing: string, fix: string]>> = {
  ip: ['the command "ip" is missing', 'install iproute2'],
  nsenter: ['the command "nsenter" is missing', 'install util-linux'],
  bridge: ['a network bridge can not be made', 'load the kernel module "bridge"'],
  pod: [
    'namespaces can not be nested, or mounts are not allowed in them',
    'allow it: fs.mount-max, user.max_net_namespaces and the container that this runs in may forbid it',
  ],
  veth: ['a pair of virtual network devices can not be made', 'load the kernel module "veth"'],
  rules: [
    'neither iptables nor nft can redirect connections',
    'install iptables or nftables, and load the kernel module "nf_nat"',
  ],
};

export function checkIsolation(deps: CheckDeps): IsolationCheck {
  if (deps.platform !== 'linux') return no('network namespaces are a feature of Linux', 'use the loopback form');
  if (deps.noNativeCalls !== undefined)
    return no(
      `the native call library does not load: ${deps.noNativeCalls}`,
      'install the packages again for this system',
    );
  // Root needs none, and can then run applications as other users; in a container even root may have to have one.
  const ways = deps.isRoot ? [false, true] : [true];
  let last: IsolationCheck = no('', '');
  for (const userNamespace of ways) {
    const { ended, lastLine } = deps.tryOut(userNamespace);
    if (ended === 'well' && (lastLine === 'iptables' || lastLine === 'nft'))
      return { possible: true, tool: lastLine, userNamespace };
    if (ended === 'not-found') return no('the command "unshare" is missing', 'install util-linux');
    const [missing, fix] = FIXES[lastLine] ?? [
      userNamespace
        ? 'this user may not make user namespaces'
        : 'this process may not make network namespaces, although it is root',
      'allow them (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces), or run as root',
    ];
    last = no(missing, fix);
  }
  return last;
}

const no = (missing: string, fix: string): IsolationCheck => ({ possible: false, missing, fix });

const TRIAL_MS = 15_000;

/** Tries it on this machine. Leaves nothing behind: what it makes ends with it. */
export function checkThisMachine(env: Readonly<Record<string, string | undefined>>): IsolationCheck {
  const { problem } = loadLibc();
  return checkIsolation({
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    ...(problem ? { noNativeCalls: problem.message } : {}),
    tryOut(userNamespace) {
      const [command, ...args] = unshareCommand(userNamespace, ['/bin/sh', '-ec', TRIAL]);
      const { status, error, stdout } = spawnSync(command, args, {
        encoding: 'utf8',
        timeout: TRIAL_MS,
        env: { PATH: toolPath(env['PATH']) },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      // Paths that `command -v` prints are no steps.
      const lastLine =
        (stdout ?? '')
          .trimEnd()
          .split('\n')
          .findLast((line) => !line.startsWith('/')) ?? '';
      const ended = error && 'code' in error && error.code === 'ENOENT' ? 'not-found' : status === 0 ? 'well' : 'badly';
      return { ended, lastLine };
    },
  });
}
