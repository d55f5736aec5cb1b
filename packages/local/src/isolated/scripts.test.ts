import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { PodPlan } from '../mesh-link.ts';
import { toolPath, unshareCommand } from './enter.ts';
import { checkThisMachine } from './isolation-check.ts';
import { hubScript, nsswitchConf, podScript, resolvConf, wireScript } from './scripts.ts';

const plan: PodPlan = {
  index: 258,
  address: '10.244.1.2',
  prefixLength: 16,
  hubAddress: '10.244.0.1',
  redirect: true,
  tool: 'iptables',
  dnsSocket: '/s/dns.sock',
  etcDir: '/s/etc',
};
const files = { resolvConf: `/it's here/resolv.conf`, nsswitchConf: undefined };
/** The shell reads it without complaint, and runs nothing. */
const parses = (script: string): void => void execFileSync('/bin/sh', ['-n'], { input: script });

describe('scripts of the isolated form', () => {
  it.each([
    ['hub with iptables', hubScript('iptables')],
    ['hub with nft', hubScript('nft')],
    ['pod', podScript(plan, files, '*nat\nCOMMIT\n')],
    ['gateway', podScript({ ...plan, redirect: false }, { ...files, nsswitchConf: '/n' }, '')],
    ['wire', wireScript(plan, 7)],
  ])('%s is a shell script', (_, script) => {
    parses(script);
  });

  it('gives a pod the address, the way out and the rules of its plan', () => {
    const script = podScript(plan, files, '*nat\nRULE\nCOMMIT\n');
    expect(script).toContain('ip addr add 10.244.1.2/16 dev eth0');
    expect(script).toContain('ip route add default via 10.244.0.1');
    expect(script).toMatch(/iptables-restore --noflush <<'(\w+)'\n\*nat\nRULE\nCOMMIT\n\1/);
    expect(podScript({ ...plan, redirect: false }, files, '')).not.toContain('iptables');
  });

  it('gives both ends of a wire names and hardware addresses of the pod', () => {
    expect(wireScript(plan, 7)).toContain(
      'ip link add weft258 type veth peer name eth0 address 02:57:0a:f4:01:02 netns 7',
    );
  });

  it('sends to the way out what is neither a pod nor the hub', () => {
    for (const tool of ['iptables', 'nft'] as const) {
      expect(hubScript(tool)).toMatch(/(! -d|daddr !=) 10\.244\.0\.0\/16.*15099/);
      expect(hubScript(tool)).toMatch(/10\.244\.255\.254.*15099/);
    }
  });

  it.for(['iptables', 'nft'] as const)('makes a hub with %s, where this machine can', (tool, { skip }) => {
    const check = checkThisMachine(process.env);
    if (!check.possible) return skip(check.missing);
    const script = [`command -v ${tool} || exit 77`, hubScript(tool), 'ip -br addr show weft0'].join('\n');
    const [command, ...args] = unshareCommand(check.userNamespace, ['/bin/sh', '-ec', script]);
    const env = { PATH: toolPath(process.env['PATH']) };
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, timeout: 15_000 });
    if (status === 77) return skip(`${tool} is not here`);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/weft0 .*10\.244\.0\.1\/16 10\.244\.255\.254\/32/);
  });

  it("searches the workload's namespace first", () => {
    expect(resolvConf('shop', '10.96.0.10')).toContain(
      'search shop.svc.cluster.local svc.cluster.local cluster.local\n',
    );
  });

  it('asks files and DNS only, whatever else the host asks', () => {
    expect(nsswitchConf('passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n')).toBe(
      'passwd: files\nhosts: files dns\n',
    );
    expect(nsswitchConf('hosts:   files   dns\n')).toBeUndefined();
    expect(nsswitchConf('passwd: files\n')).toBeUndefined();
  });
});
