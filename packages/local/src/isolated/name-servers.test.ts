import { describe, expect, it } from 'vitest';
import { nameServers } from './name-servers.ts';

describe('nameServers', () => {
  it('finds them in resolv.conf, and asks the host itself where there are none', () => {
    expect(nameServers('# nameserver 9.9.9.9\nnameserver 10.0.0.1\n nameserver ::1\nsearch a\n')).toEqual([
      '10.0.0.1',
      '::1',
    ]);
    expect(nameServers('search a\n')).toEqual(['127.0.0.1']);
  });
});
