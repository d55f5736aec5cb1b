/**
 * Addresses of the loopback form. A mesh has a block 127.A.0.0/16; workload n is 127.A.n.1 and calls service k at
 * 127.A.n.k. Where the system has only 127.0.0.1, everything is a port of that.
 */
import { WeftError } from '@weft/kit';

export interface AddressPlan {
  /** The address of the nth workload (from 1). */
  workload(index: number): string;
  /** Where workload n reaches service k (from 1) at the service's port. */
  service(index: number, service: number): string;
}

const MAX_INDEX = 254;

/** @param block second octet, 16–250. */
export function blockPlan(block: number): AddressPlan {
  const check = (index: number, what: string): number => {
    if (index < 1 || index > MAX_INDEX) {
      throw new WeftError('WEFT_MESH_FULL', `one machine holds at most ${MAX_INDEX} ${what} in the loopback form`, {
        fix: 'stop workloads that are no longer needed, or use several meshes with --state',
      });
    }
    return index;
  };
  return {
    workload: (index) => `127.${block}.${check(index, 'workloads')}.1`,
    // .0 and .255 are left alone; .1 is the workload itself.
    service: (index, service) => `127.${block}.${check(index, 'workloads')}.${check(service, 'services') + 1}`,
  };
}

/** Gives out the lowest free number from 1, and takes it back. */
export interface IndexPool {
  take(): number;
  release(index: number): void;
}

export function createIndexPool(): IndexPool {
  const taken = new Set<number>();
  return {
    take() {
      let index = 1;
      while (taken.has(index)) index += 1;
      taken.add(index);
      return index;
    },
    release: (index) => void taken.delete(index),
  };
}
