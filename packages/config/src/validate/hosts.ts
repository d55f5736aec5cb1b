/** Names of hosts as Istio writes them: DNS names, short names, and a wildcard as the leftmost label. */
import { isIP } from 'node:net';

const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A Kubernetes name part: lower case, digits, hyphens inside; at most 63 characters. */
export const isDnsLabel = (text: string): boolean => DNS_LABEL.test(text);
/** A Kubernetes object name: labels joined by dots; at most 253 characters. */
export const isObjectName = (text: string): boolean =>
  text.length <= 253 && text !== '' && text.split('.').every((part) => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(part));

export const isDnsName = (text: string): boolean => {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  return name !== '' && name.length <= 255 && name.split('.').every((label) => LABEL.test(label));
};

export type HostForm = 'any' | 'wildcard' | 'partial-wildcard' | 'name' | 'ip' | 'bad';

export function hostForm(host: string): HostForm {
  if (host === '*') return 'any';
  if (host.startsWith('*.')) return isDnsName(host.slice(2)) ? 'wildcard' : 'bad';
  if (host.startsWith('*')) return isDnsName(`a${host.slice(1)}`) ? 'partial-wildcard' : 'bad';
  if (isIP(host) !== 0) return 'ip';
  return isDnsName(host) ? 'name' : 'bad';
}

/** Whether every name that `inner` can stand for is one that `outer` stands for. */
export function covers(outer: string, inner: string): boolean {
  const [a, b] = [outer.toLowerCase(), inner.toLowerCase()];
  if (a === b || a === '*') return true;
  return a.startsWith('*.') && b.endsWith(a.slice(1)) && b.length > a.length - 1;
}

/** Whether some name is meant by both. */
export const overlaps = (a: string, b: string): boolean => covers(a, b) || covers(b, a);

/** The name as it is looked up: short names get the namespace of the object that wrote them. */
export function qualifiedHost(host: string, namespace: string, domain = 'cluster.local'): string {
  if (host.includes('.') || host.startsWith('*') || isIP(host) !== 0) return host.toLowerCase();
  return `${host}.${namespace}.svc.${domain}`.toLowerCase();
}

/** An address, or an address with a prefix length that fits it. */
export function isCidr(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

export const isIpAddress = (text: string): boolean => isIP(text) !== 0;
