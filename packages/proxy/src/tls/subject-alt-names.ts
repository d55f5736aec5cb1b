// Subject alternative names read from a certificate's DER. Node's own `subjectaltname` text is ambiguous: a name may
// hold commas and quotes that look like further names.

export interface SubjectAltNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
}

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

const SEQUENCE = 0x30;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const EXTENSIONS = 0xa3; // [3] of TBSCertificate
const URI_NAME = 0x86;
const DNS_NAME = 0x82;
const SUBJECT_ALT_NAME_OID = [0x55, 0x1d, 0x11];
const NONE: SubjectAltNames = { uris: [], dns: [] };

/** @returns no names for anything that is not a certificate with well-formed names. */
export function readSubjectAltNames(der: Uint8Array): SubjectAltNames {
  const certificate = elementAt(der, 0, der.length);
  const tbs = certificate && elementAt(der, certificate.start, certificate.end);
  if (certificate?.tag !== SEQUENCE || tbs?.tag !== SEQUENCE) return NONE;
  const wrapper = childrenOf(der, tbs).find((child) => child.tag === EXTENSIONS);
  const list = wrapper && elementAt(der, wrapper.start, wrapper.end);
  if (list === undefined) return NONE;
  for (const extension of childrenOf(der, list)) {
    const [oid, ...rest] = childrenOf(der, extension);
    if (oid?.tag !== OBJECT_ID || !isSubjectAltName(der, oid)) continue;
    const value = rest.find((child) => child.tag === OCTET_STRING);
    const names = value && elementAt(der, value.start, value.end);
    return names === undefined ? NONE : readNames(der, names);
  }
  return NONE;
}

function readNames(der: Uint8Array, names: Element): SubjectAltNames {
  const uris: string[] = [];
  const dns: string[] = [];
  for (const name of childrenOf(der, names)) {
    if (name.tag !== URI_NAME && name.tag !== DNS_NAME) continue;
    const text = visibleText(der, name);
    if (text === undefined) return NONE;
    (name.tag === URI_NAME ? uris : dns).push(text);
  }
  return { uris, dns };
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

function childrenOf(der: Uint8Array, parent: Element): Element[] {
  const children: Element[] = [];
  for (let at = parent.start; at < parent.end;) {
    const child = elementAt(der, at, parent.end);
    if (child === undefined) return [];
    children.push(child);
    at = child.end;
  }
  return children;
}

function elementAt(der: Uint8Array, at: number, limit: number): Element | undefined {
  const tag = der[at];
  const first = der[at + 1];
  if (tag === undefined || first === undefined) return undefined;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const size = first & 0x7f;
    if (size === 0 || size > 4) return undefined;
    length = 0;
    for (let i = 0; i < size; i += 1) length = length * 256 + (der[start + i] ?? 0);
    start += size;
  }
  const end = start + length;
  return end <= limit ? { tag, start, end } : undefined;
}
