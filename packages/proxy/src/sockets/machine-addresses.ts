import { networkInterfaces } from 'node:os';

/** False only for what can certainly not be bound here: an address of no interface. Linux has all of 127.0.0.0/8. */
export function machineHasAddress(address: string): boolean {
  if (address === '0.0.0.0' || address === '::' || address.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((item) => item.address === address));
}
