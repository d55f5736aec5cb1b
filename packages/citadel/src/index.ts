/** The certificate authority: who may have which identity, and the certificates that prove it. */
export { createCitadel, type Citadel, type CitadelOptions } from './citadel.ts';
export { createDirectoryStore } from './store/directory-store.ts';
export type { CaStore } from './store/ca-store.ts';
export type { CaMaterial } from './ca/material.ts';
export { certificateService, type CertificateHandlers } from './server/service.ts';
export { DEFAULT_TOKEN_AUDIENCE, DEFAULT_TOKEN_ISSUER } from './options.ts';
export { WORKLOAD_CLAIM } from './authn/bearer-token.ts';
