import { describe, expect, it } from 'vitest';
import { launchersAbove, type ProcessFacts } from './launchers.ts';

const tree = (commands: readonly string[]): ((pid: number) => ProcessFacts | undefined) => {
  // The first command is the user's shell (pid 100); each next one is the child of the one before.
  const all = commands.map((command, index) => ({ pid: 100 + index, parent: 99 + index, startTime: '1', command }));
  return (pid) => all.find((facts) => facts.pid === pid);
};

describe('launchersAbove', () => {
  it('finds npx, its shell, pnpm and the first step, and stops at the shell of the user', () => {
    const commands = [
      '-bash',
      'npm exec pnpm@12 demo',
      'sh -c pnpm demo',
      '/home/u/.npm/_npx/1/node_modules/.bin/pnpm demo',
      'sh -c node tools/demo.mjs',
      'node tools/demo.mjs',
      'node weft.js demo',
    ];
    expect(launchersAbove(106, tree(commands)).map((facts) => facts.pid)).toEqual([105, 104, 103, 102, 101]);
  });

  it('finds nothing when a person or a service manager started the command', () => {
    expect(launchersAbove(101, tree(['-bash', 'node weft.js demo']))).toEqual([]);
    expect(launchersAbove(101, tree(['/usr/lib/systemd/systemd --user', 'node weft.js demo']))).toEqual([]);
    expect(launchersAbove(101, tree(['node server.js', 'node weft.js demo']))).toEqual([]);
  });
});
