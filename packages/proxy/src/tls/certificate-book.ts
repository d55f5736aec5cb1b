import { CertificateFacts } from './transport-facts.ts';

const MAX_KNOWN = 256;

/** Certificates of peers, each read once: they repeat from connection to connection. */
export class CertificateBook {
  readonly #known = new Map<string, CertificateFacts>();

  read(der: Buffer): CertificateFacts {
    const key = der.toString('latin1');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    // A copy: where it was read from may hold keys.
    const facts = new CertificateFacts(Buffer.from(der));
    this.#known.set(key, facts);
    return facts;
  }
}
