// The rules in real network namespaces, with real sockets. Who answers a call tells where it went.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { BackendName } from './apply/backends.ts';

const PROBE = fileURLToPath(new URL('./testing/namespace-probe.ts', import.meta.url));

type Answers = Readonly<Record<string, string>>;
interface Observation {
  readonly backend: BackendName;
  readonly before: Answers;
  readonly captured: Answers;
  readonly same: boolean;
  readonly left: readonly string[];
  readonly after: Answers;
}

const WITHOUT_RULES: Answers = {
  'application to elsewhere': 'peer 80',
  'application to a port left out': 'peer 81',
  'application to a range left out': 'peer 443',
  'proxy to elsewhere': 'peer 80',
  'peer to the application': 'app 10.244.1.1',
  'peer to a port left out': 'readiness',
  'proxy to the application from the inbound address': 'app 127.0.0.6',
  'proxy to the address of its own workload': 'app 10.244.1.2',
  'application to the address of its own workload': 'app 10.244.1.2',
  'application to 127.0.0.1': 'app 127.0.0.1',
  'proxy to 127.0.0.1': 'app 127.0.0.1',
  'application asks by UDP': 'peer dns',
  'proxy asks by UDP from the same port': 'peer dns',
  'proxy asks by UDP': 'peer dns',
  'application asks by UDP from the same port': 'peer dns',
  'application asks by TCP': 'peer 53',
  'proxy asks by TCP': 'peer 53',
  'application to elsewhere by IPv6': 'peer 80',
  'application to ::1': 'app ::1',
  'peer to the application by IPv6': 'app fd00:244::1',
  'application asks by UDP over IPv6': 'peer dns',
};
const CAPTURED: Answers = {
  ...WITHOUT_RULES,
  'application to elsewhere': 'outbound 10.96.0.10:80',
  'peer to the application': 'inbound 10.244.1.2:8080',
  'proxy to the address of its own workload': 'inbound 10.244.1.2:8080',
  'application asks by UDP': 'dns',
  'application asks by UDP from the same port': 'dns',
  'application asks by TCP': 'dns 10.96.0.10:53',
  'application to elsewhere by IPv6': 'outbound [fd00:96::10]:80',
  'peer to the application by IPv6': 'inbound [fd00:244::2]:8080',
  'application asks by UDP over IPv6': 'dns',
};
const BY_USER: Answers = { 'user of the proxy to elsewhere': 'peer 80' };

const PROGRAMS: Readonly<Record<BackendName, string>> = { iptables: 'iptables-restore', nftables: 'nft' };
const FORMS = [
  { form: 'a network namespace of root', flags: '-nm', args: ['uid'], more: BY_USER },
  { form: 'a user namespace without root', flags: '-Urnm', args: [], more: {} },
] as const;

/** @returns why the test can not run here. */
function lacks(flags: string, backend: BackendName): string | undefined {
  if (process.platform !== 'linux') return 'this is not Linux';
  const program = PROGRAMS[backend];
  const there = ['', '/usr/sbin/', '/sbin/'].some(
    (dir) => spawnSync(`${dir}${program}`, ['--version'], { timeout: 10_000 }).status === 0,
  );
  if (!there) return `${program} is not installed`;
  const { status, stderr } = spawnSync(
    'unshare',
    [
      flags,
      'sh',
      '-c',
      'ip link add weft0 type veth peer name weft1 && ip addr add fd00::1/64 dev weft0 && exec unshare -n true',
    ],
    { encoding: 'utf8', timeout: 10_000 },
  );
  return status === 0
    ? undefined
    : `network namespaces with both families of addresses can not be made (${stderr?.trim() || 'no unshare'})`;
}

const cases = (Object.keys(PROGRAMS) as BackendName[]).flatMap((backend) =>
  FORMS.map((form) => ({ ...form, backend, why: lacks(form.flags, backend) })),
);
for (const { backend, form, why } of cases)
  if (why !== undefined) console.warn(`skipped: ${backend} in ${form}: ${why}`);

describe.each(cases)('$backend in $form', ({ backend, flags, args, more, why }) => {
  it.skipIf(why !== undefined)(
    'redirects what applications and peers call, and nothing else',
    { timeout: 60_000 },
    () => {
      const { stdout, stderr, status } = spawnSync(
        'unshare',
        [flags, process.execPath, '--import', import.meta.resolve('tsx'), PROBE, backend, ...args],
        { encoding: 'utf8', timeout: 50_000, killSignal: 'SIGKILL' },
      );
      expect(status, stderr).toBe(0);
      const seen = JSON.parse(stdout) as Observation;
      expect(seen).toEqual({
        backend,
        before: { ...WITHOUT_RULES, ...more },
        captured: { ...CAPTURED, ...more },
        // Applying once more changes nothing, and removing leaves nothing.
        same: true,
        left: [],
        after: { ...WITHOUT_RULES, ...more },
      });
    },
  );
});
