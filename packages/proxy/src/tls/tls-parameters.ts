/** Which cipher suites and curves are offered: what configuration names of those that are safe, all of them where it names none. */

// Of TLS 1.3 configuration chooses none.
const CIPHERS_13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
// Only those with forward secrecy and authenticated encryption.
const CIPHERS_12 = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
const CURVES = ['X25519', 'P-256', 'P-384', 'P-521'];
const DEFAULT_CURVES = CURVES.slice(0, 3);

/** @param refuse never returns. */
export function cipherList(named: readonly string[], refuse: (reason: string) => never): string {
  // BoringSSL's groups of equal preference: [A|B].
  const names = new Set(named.flatMap((entry) => entry.replace(/^\[|\]$/g, '').split('|')));
  const chosen = names.size === 0 ? CIPHERS_12 : CIPHERS_12.filter((name) => names.has(name));
  if (chosen.length === 0)
    refuse(
      `tls_params.cipher_suites: none of ${[...names].join(', ')} has forward secrecy and authenticated encryption`,
    );
  return [...CIPHERS_13, ...chosen].join(':');
}

/** @param refuse never returns. */
export function curveList(named: readonly string[], refuse: (reason: string) => never): string {
  const chosen = named.length === 0 ? DEFAULT_CURVES : CURVES.filter((name) => named.includes(name));
  if (chosen.length === 0) refuse(`tls_params.ecdh_curves: none of ${named.join(', ')} is known here`);
  return chosen.join(':');
}
