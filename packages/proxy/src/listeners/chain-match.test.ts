import { describe, expect, it } from 'vitest';
import { ANY_CONNECTION, type ChainCriteria, inspectionNeeds, matchChain } from './chain-match.ts';
import { NOTHING_KNOWN } from './first-bytes.ts';

const chain = (
  name: string,
  criteria: Partial<ChainCriteria>,
): { readonly name: string; readonly criteria: ChainCriteria } => ({
  name,
  criteria: { ...ANY_CONNECTION, ...criteria },
});
const connection = { ...NOTHING_KNOWN, destinationIp: '10.0.0.1', destinationPort: 80, sourceIp: '10.0.0.2' };
const pick = (
  chains: readonly ReturnType<typeof chain>[],
  facts: Partial<typeof connection> & { transport?: 'tls' | 'raw_buffer' },
): string | undefined => matchChain(chains, { ...connection, ...facts })?.name;

describe('matchChain', () => {
  // The chains of a PERMISSIVE HTTP port.
  const permissive = [
    chain('mesh', {
      transport: 'tls',
      applicationProtocols: ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
    }),
    chain('plain', { transport: 'raw_buffer' }),
  ];
  it('tells mutual TLS from plain bytes, and refuses other TLS', () => {
    expect(pick(permissive, { transport: 'tls', applicationProtocols: ['istio-http/1.1', 'istio'] })).toBe('mesh');
    expect(pick(permissive, {})).toBe('plain');
    expect(pick(permissive, { transport: 'tls', applicationProtocols: ['h2'] })).toBeUndefined();
  });

  it('does not go back: a chain for the port that does not fit wins over one for any port', () => {
    const chains = [chain('port', { destinationPort: 80, applicationProtocols: ['h2c'] }), chain('any', {})];
    expect(pick(chains, {})).toBeUndefined();
    expect(pick(chains, { destinationPort: 81 })).toBe('any');
  });

  it('prefers exact server names, then the longest suffix, then none', () => {
    const chains = [
      chain('none', {}),
      chain('wide', { serverNames: ['*.b.c'] }),
      chain('narrow', { serverNames: ['*.a.b.c'] }),
      chain('exact', { serverNames: ['x.a.b.c'] }),
    ];
    expect(['x.a.b.c', 'y.a.b.c', 'z.b.c', 'b.c', ''].map((serverName) => pick(chains, { serverName }))).toEqual([
      'exact',
      'narrow',
      'wide',
      'none',
      'none',
    ]);
  });

  it('says what must be looked at', () => {
    expect(inspectionNeeds([ANY_CONNECTION])).toEqual({ tls: false, http: false });
    expect(inspectionNeeds(permissive.map(({ criteria }) => criteria))).toEqual({ tls: true, http: false });
    expect(inspectionNeeds([{ ...ANY_CONNECTION, applicationProtocols: ['http/1.1'] }])).toEqual({
      tls: true,
      http: true,
    });
  });
});
