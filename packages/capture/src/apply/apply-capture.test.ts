import { describe, expect, it } from 'vitest';
import { buildRedirectPlan } from '../plan/redirect-plan.ts';
import { applyCapture, removeCapture } from './apply-capture.ts';
import { processExecutor, type CommandResult, type Executor } from './executor.ts';

const plan = buildRedirectPlan({ proxy: { mark: 1337 }, dnsPort: 15_053 });
const OK: CommandResult = { code: 0, stdout: '', stderr: '' };
const MISSING: CommandResult = { code: 127, stdout: '', stderr: '' };

function recording(answer: (program: string, stdin: string) => CommandResult): Executor & { readonly ran: string[] } {
  const ran: string[] = [];
  return {
    ran,
    run(program, args, stdin) {
      ran.push([program, ...args].join(' '));
      return Promise.resolve(answer(program, stdin));
    },
  };
}

describe('applyCapture', () => {
  it('uses iptables where it is', async () => {
    const executor = recording(() => OK);
    expect(await applyCapture(plan, executor)).toEqual({ backend: 'iptables', passedOver: [] });
    expect(executor.ran).toEqual(['iptables-save', 'iptables-restore -w 5 --noflush']);
  });
  it('looks where administrators have their programs, then for nft, and says what it passed over', async () => {
    const executor = recording((program) => (program === '/usr/sbin/nft' ? OK : MISSING));
    expect(await applyCapture(plan, executor)).toEqual({
      backend: 'nftables',
      passedOver: ['iptables: there is no program iptables-save'],
    });
    expect(executor.ran).toEqual([
      'iptables-save',
      '/usr/sbin/iptables-save',
      '/sbin/iptables-save',
      'nft -f -',
      '/usr/sbin/nft -f -',
    ]);
  });
  it('tries the next one when the kernel refuses the first', async () => {
    const executor = recording((program) =>
      program === 'iptables-restore' ? { code: 2, stdout: '', stderr: 'iptables-restore v1:\nno table nat\n' } : OK,
    );
    expect(await applyCapture(plan, executor)).toEqual({
      backend: 'nftables',
      passedOver: ['iptables: iptables-restore failed: iptables-restore v1: no table nat'],
    });
  });
  it('says what is missing and what to install when there is nothing', async () => {
    await expect(
      applyCapture(
        plan,
        recording(() => MISSING),
      ),
    ).rejects.toMatchObject({
      code: 'WEFT_CAPTURE_UNAVAILABLE',
      message:
        'connections can not be redirected here (iptables: there is no program iptables-save; nftables: there is no program nft)',
      fix: expect.stringContaining('Install iptables or nftables') as string,
    });
  });
  it('takes back the rules of one family when those of the other are refused', async () => {
    const both = buildRedirectPlan({ proxy: { mark: 1337 }, ipv6: true });
    let v4 = '';
    const executor = recording((program, stdin) => {
      if (program === 'iptables-restore') v4 = stdin;
      if (program === 'iptables-save') return { ...OK, stdout: v4 };
      return program.startsWith('ip6tables') ? { ...OK, code: 1 } : OK;
    });
    expect((await applyCapture(both, executor)).backend).toBe('nftables');
    expect(v4).toContain('-X WEFT_OUTPUT');
  });
  it('does not make jumps twice', async () => {
    let restored = '';
    const executor = recording((program, stdin) => {
      if (program === 'iptables-restore') restored = stdin;
      return program === 'iptables-save' ? { ...OK, stdout: restored } : OK;
    });
    await applyCapture(plan, executor);
    expect(restored).toContain('-A OUTPUT -j WEFT_OUTPUT');
    await applyCapture(plan, executor);
    expect(restored).not.toContain('-A OUTPUT -j');
    expect(restored).toContain('-A WEFT_OUTPUT ');
  });
});

describe('removeCapture', () => {
  it('is content when there is nothing to remove, or no program that could have made it', async () => {
    await removeCapture(recording(() => OK));
    await removeCapture(recording(() => MISSING));
  });
  it('says when rules may be left', async () => {
    await expect(
      removeCapture(recording(() => ({ code: 1, stdout: '', stderr: 'Operation not permitted' }))),
    ).rejects.toMatchObject({
      code: 'WEFT_CAPTURE_UNAVAILABLE',
      message: expect.stringMatching(/not permitted/) as string,
    });
  });
});

describe('processExecutor', () => {
  it('runs a program with its input', async () => {
    expect(await processExecutor().run('cat', [], 'text')).toEqual({ code: 0, stdout: 'text', stderr: '' });
  });
  it('runs it behind a prefix', async () => {
    expect(await processExecutor(['sh', '-c', 'exec "$@" >&2', 'sh']).run('cat', [], 'text')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'text',
    });
  });
  it('tells a missing program from one that fails, and is not broken by one that does not read', async () => {
    expect((await processExecutor().run('no-such-program', [], '')).code).toBe(127);
    expect((await processExecutor().run('false', [], 'x'.repeat(1 << 20))).code).toBe(1);
  });
});
