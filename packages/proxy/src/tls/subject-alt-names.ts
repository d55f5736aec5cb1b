// Subject alternative names read from a certificate's DER. Node's own `subjectaltname` text is ambiguous: a name may
// hold commas and quotes that look like further names.

import { isIPv6 } from 'node:net';
import { childrenOf, DER, type Element, elementAt } from './der.ts';

export interface SubjectAltNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  readonly emails: readonly string[];
  readonly ips: readonly string[];
}

const EXTENSIONS = 0xa3; // [3] of TBSCertificate
const URI_NAME = 0x86;
const DNS_NAME = 0x82;
const EMAIL_NAME = 0x81;
const IP_NAME = 0x87;
const SUBJECT_ALT_NAME_OID = [0x55, 0x1d, 0x11];
const NONE: SubjectAltNames = { uris: [], dns: [], emails: [], ips: [] };

/** @returns no names for anything that is not a certificate with well-formed names. */
export function readSubjectAltNames(der: Uint8Array): SubjectAltNames {
  const certificate = elementAt(der, 0, der.length);
  const tbs = certificate && elementAt(der, certificate.start, certificate.end);
  if (certificate?.tag !== DER.sequence || tbs?.tag !== DER.sequence) return NONE;
  const wrapper = childrenOf(der, tbs).find((child) => child.tag === EXTENSIONS);
  const list = wrapper && elementAt(der, wrapper.start, wrapper.end);
  if (list === undefined) return NONE;
  for (const extension of childrenOf(der, list)) {
    const [oid, ...rest] = childrenOf(der, extension);
    if (oid?.tag !== DER.objectId || !isSubjectAltName(der, oid)) continue;
    const value = rest.find((child) => child.tag === DER.octetString);
    const names = value && elementAt(der, value.start, value.end);
    return names === undefined ? NONE : readNames(der, names);
  }
  return NONE;
}

function readNames(der: Uint8Array, names: Element): SubjectAltNames {
  const found = { uris: [] as string[], dns: [] as string[], emails: [] as string[], ips: [] as string[] };
  for (const name of childrenOf(der, names)) {
    if (name.tag === IP_NAME) {
      const address = addressOf(der.subarray(name.start, name.end));
      if (address !== '') found.ips.push(address);
      continue;
    }
    const list = TEXT_NAMES[name.tag];
    if (list === undefined) continue;
    const text = visibleText(der, name);
    if (text === undefined) return NONE;
    found[list].push(text);
  }
  return found;
}

const TEXT_NAMES: Readonly<Record<number, 'uris' | 'dns' | 'emails'>> = {
  [URI_NAME]: 'uris',
  [DNS_NAME]: 'dns',
  [EMAIL_NAME]: 'emails',
};

/** @returns nothing for what has neither 4 nor 16 bytes. */
function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  const text = groups.join(':');
  return isIPv6(text) ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : '';
}

function visibleText(der: Uint8Array, { start, end }: Element): string | undefined {
  let text = '';
  for (let i = start; i < end; i += 1) {
    const byte = der[i] ?? 0;
    if (byte <= 0x20 || byte >= 0x7f) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

const isSubjectAltName = (der: Uint8Array, { start, end }: Element): boolean =>
  end - start === SUBJECT_ALT_NAME_OID.length && SUBJECT_ALT_NAME_OID.every((byte, i) => der[start + i] === byte);
