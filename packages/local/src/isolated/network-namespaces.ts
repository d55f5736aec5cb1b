/**
 * Work in another network namespace of this machine. A namespace belongs to a thread, and a socket to the namespace that
 * it was made in: this thread goes there, makes sockets, and is back before anything else runs.
 */
import { closeSync, openSync } from 'node:fs';
import { WeftError } from '@weft/kit';
import type { Libc } from '../libc.ts';

export interface NetworkNamespace {
  /** @param work must be synchronous. */
  run<T>(work: () => T): T;
  close(): void;
}

export interface NetworkNamespaces {
  /** The namespace of a process. */
  of(pid: number): NetworkNamespace;
}

const CLONE_NEWNET = 0x40000000;

export function createNetworkNamespaces(libc: Libc): NetworkNamespaces {
  const setns = libc.func('int setns(int fd, int nstype)');
  return {
    of(pid) {
      const fd = openSync(`/proc/${pid}/ns/net`, 'r');
      let open = true;
      return {
        run(work) {
          const home = openSync('/proc/self/ns/net', 'r');
          try {
            if (setns(fd, CLONE_NEWNET) !== 0) {
              throw new WeftError(
                'WEFT_POD',
                `can not enter the network namespace of process ${pid} (errno ${libc.errno()})`,
              );
            }
            try {
              return work();
            } finally {
              // In a foreign namespace everything after this would go wrong in ways that are hard to see.
              if (setns(home, CLONE_NEWNET) !== 0) process.abort();
            }
          } finally {
            closeSync(home);
          }
        },
        close() {
          if (open) closeSync(fd);
          open = false;
        },
      };
    },
  };
}
