/** TLS parameters between parts of the mesh: 1.2 and 1.3, forward secrecy and authenticated encryption only. For `node:tls` on both sides. */
export const MESH_TLS = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_AES_128_GCM_SHA256',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  ecdhCurve: 'X25519:P-256:P-384',
} as const;

/** The name that clients send as SNI to the control plane. Identity is checked by SPIFFE id, never by this name. */
export const CONTROL_PLANE_SERVER_NAME = 'weft-control-plane.weft-system.svc';
