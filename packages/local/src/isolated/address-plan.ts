/**
 * Addresses of the isolated form. They exist in the mesh's own network namespaces only, so every mesh has the same ones:
 * pods in 10.244.0.0/16 around the hub, services at virtual IPs of 10.96.0.0/16. Pure.
 */
import { WeftError } from '@weft/kit';

/** Control plane, and the way out. */
export const HUB_ADDRESS = '10.244.0.1';
export const POD_PREFIX_LENGTH = 16;
export const POD_NETWORK = '10.244.0.0/16';
/** Stands for 127.0.0.1 of the host: what listens there is reached here. */
export const HOST_ADDRESS = '10.244.255.254';
export const HOST_NAME = 'host.weft.internal';
/** Named in the pods' resolv.conf. Nobody is there: the sidecar answers. */
export const NAME_SERVER = '10.96.0.10';

// .0.0 is the network, .0.1 the hub, .255.254 the host, .255.255 everybody.
const FIRST_POD = 2;
const LAST_POD = 0xff_fd;
// Kubernetes gives its API server .0.1 and its name server .0.10; a few more are left free for such.
const FIRST_SERVICE = 16;
const LAST_SERVICE = 0xff_fe;

const dotted = (prefix: string, n: number): string => `${prefix}.${n >> 8}.${n & 255}`;

export const podAddress = (index: number): string => dotted('10.244', index);

/** Follows from the address, so that no neighbour remembers a wrong one when the address is given again. */
export function podMac(index: number): string {
  const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
  return `02:57:0a:f4:${hex(index >> 8)}:${hex(index & 255)}`;
}

/** Gives numbers of pods in turn, so that one who left is not soon mistaken for another. */
export function createPodNumbers(): { take(): number; release(index: number): void } {
  const taken = new Set<number>();
  let last = FIRST_POD - 1;
  return {
    take() {
      if (taken.size > LAST_POD - FIRST_POD) throw full(LAST_POD - FIRST_POD + 1, 'workloads');
      do last = last >= LAST_POD ? FIRST_POD : last + 1;
      while (taken.has(last));
      taken.add(last);
      return last;
    },
    release: (index) => void taken.delete(index),
  };
}

/** @returns the virtual IP of a host name: the same as long as the mesh runs. */
export function createServiceAddresses(): (hostname: string) => string {
  const numbers = new Map<string, number>();
  return (hostname) => {
    let number = numbers.get(hostname);
    if (number === undefined) {
      number = FIRST_SERVICE + numbers.size;
      if (number > LAST_SERVICE) throw full(LAST_SERVICE - FIRST_SERVICE + 1, 'services');
      numbers.set(hostname, number);
    }
    return dotted('10.96', number);
  };
}

/** Addresses that exist inside only: the host must not be asked for them. */
export const isInside = (address: string): boolean => /^10\.(244|96)\./.test(address);

const full = (most: number, what: string): WeftError =>
  new WeftError('WEFT_MESH_FULL', `one mesh holds at most ${most} ${what}`, {
    fix: 'stop workloads that are no longer needed, or use several meshes with --state',
  });
