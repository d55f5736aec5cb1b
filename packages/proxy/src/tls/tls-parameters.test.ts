import { describe, expect, it } from 'vitest';
import { cipherList, curveList } from './tls-parameters.ts';

const refuse = (reason: string): never => {
  throw new Error(reason);
};

describe('what is offered in a handshake', () => {
  it('is all that is safe where nothing is named', () => {
    expect(cipherList([], refuse).split(':')).toHaveLength(9);
    expect(curveList([], refuse)).toBe('X25519:P-256:P-384');
  });
  it('is what is named of that, in groups or alone', () => {
    const named = ['[ECDHE-RSA-AES256-GCM-SHA384|ECDHE-RSA-CHACHA20-POLY1305]', 'AES128-SHA'];
    expect(cipherList(named, refuse).split(':').slice(3)).toEqual([
      'ECDHE-RSA-AES256-GCM-SHA384',
      'ECDHE-RSA-CHACHA20-POLY1305',
    ]);
    expect(curveList(['P-256', 'X25519MLKEM768'], refuse)).toBe('P-256');
  });
  it('is refused where nothing is left', () => {
    expect(() => cipherList(['AES128-SHA'], refuse)).toThrow(/none of AES128-SHA has forward secrecy/);
    expect(() => curveList(['X25519MLKEM768'], refuse)).toThrow(/none of X25519MLKEM768/);
  });
});
