/** B3: what moves bytes, in both directions. */
import type { Contender, Work } from '../measure.ts';
import type { Case } from '../scenario.ts';

export const KB = 1024;
const SIZES = [64 * KB, KB * KB];

/** Large answers to small requests, and the other way round. */
export function bodyCases(
  contenders: readonly Contender[],
  how: string,
  work: (sizes: { readonly requestBytes: number; readonly responseBytes: number }, bytes: number) => Work,
): readonly Case[] {
  return SIZES.flatMap((bytes): Case[] =>
    (['responses', 'requests'] as const).map((way) => ({
      title: `${way} of ${bytes / KB} KB, ${how}`,
      contenders,
      work: work(
        way === 'responses' ? { requestBytes: 0, responseBytes: bytes } : { requestBytes: bytes, responseBytes: KB },
        bytes,
      ),
      goals: [{ figure: 'mbPerCpuSecond', of: 'weft', against: 'envoy', least: 1 }],
    })),
  );
}
