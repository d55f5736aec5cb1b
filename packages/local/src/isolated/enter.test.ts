import { describe, expect, it } from 'vitest';
import { asUserCommand, enterCommand, toolPath, unshareCommand } from './enter.ts';

describe('command lines into namespaces', () => {
  it('makes a user namespace only for who is not root', () => {
    expect(unshareCommand(false, ['true'])).toEqual(['unshare', '-n', '-m', '--', 'true']);
    expect(unshareCommand(true, ['sh', '-c', 'x'])).toEqual(['unshare', '-U', '-r', '-n', '-m', '--', 'sh', '-c', 'x']);
  });

  it('enters by pid, and back into the folder, with words that no shell reads', () => {
    expect(enterCommand({ pid: 7, userNamespace: false }, ['node', 'a b'])).toEqual([
      'nsenter',
      '-t',
      '7',
      '-n',
      '-m',
      '--',
      'node',
      'a b',
    ]);
    const into = enterCommand({ pid: 7, userNamespace: true, cwd: '/my folder' }, ['echo', '$HOME; rm']);
    expect(into.slice(0, 8)).toEqual(['nsenter', '-t', '7', '-U', '--preserve-credentials', '-n', '-m', '--']);
    expect(into.slice(8)).toEqual(['/bin/sh', '-c', 'cd "$0" && exec "$@"', '/my folder', 'echo', '$HOME; rm']);
  });

  it('is the user again for applications', () => {
    expect(asUserCommand({ uid: 1000, gid: 100 }, ['id'])).toEqual([
      'unshare',
      '-U',
      '--map-user=1000',
      '--map-group=100',
      '--',
      'id',
    ]);
  });

  it('finds tools of administrators, after what the user has', () => {
    expect(toolPath('/a:/b')).toBe('/a:/b:/usr/local/sbin:/usr/sbin:/sbin');
    expect(toolPath(undefined)).toContain('/usr/bin');
  });
});
