/** Waiting for Bookinfo's first page through the mesh. */
import { WeftError } from '@weft/kit';

export interface FirstPageOptions {
  readonly url: string;
  /**
   * The user's own configuration is in force: parts of the page that are missing may be just what it says. Where the
   * configuration is, and how to be rid of it.
   */
  readonly kept?: { readonly dir: string; readonly reset: string };
  readonly note: (text: string) => void;
  /** Nobody waits any more. */
  readonly stopped?: AbortSignal;
  /** How long until a page must have come. */
  readonly timeoutMs: number;
  /** How long a page may lack parts before that is taken for what the kept configuration says. */
  readonly partsMs?: number;
}

const PARTS_MS = 5_000;
/** Above what a delay of the samples takes. */
const ANSWER_MS = 15_000;

type Answer = { readonly came: boolean; readonly whole: boolean; readonly text: string };

/** @throws {WeftError} WEFT_TIMEOUT when no page comes, or none that is whole although the configuration is the sample's. */
export async function waitFirstPage(options: FirstPageOptions): Promise<void> {
  const { url, kept, note, stopped, timeoutMs, partsMs = PARTS_MS } = options;
  const endMs = performance.now() + timeoutMs;
  let partsEndMs: number | undefined;
  let last = 'no answer';
  while (performance.now() < endMs && stopped?.aborted !== true) {
    const answer = await ask(url, stopped);
    if (answer.whole) return;
    if (answer.came && kept) {
      partsEndMs ??= performance.now() + partsMs;
      if (performance.now() >= partsEndMs) {
        note(`the page lacks a part (${answer.text}), as the configuration in ${kept.dir} may say`);
        note(kept.reset);
        return;
      }
    }
    last = answer.text;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new WeftError('WEFT_TIMEOUT', `${url} did not answer as it should (${last})`, {
    fix: kept?.reset ?? 'look at "weft logs productpage-v1" while it starts once more',
  });
}

async function ask(url: string, stopped?: AbortSignal): Promise<Answer> {
  const late = AbortSignal.timeout(ANSWER_MS);
  try {
    const response = await fetch(url, { signal: stopped ? AbortSignal.any([late, stopped]) : late });
    const body = await response.text();
    if (response.status !== 200) {
      const text = `status ${response.status}, reason ${response.headers.get('x-weft-reason') ?? '-'}`;
      return { came: false, whole: false, text };
    }
    const lacking = /[\w ,]+currently unavailable/i.exec(body)?.[0].trim();
    return { came: true, whole: lacking === undefined, text: lacking ?? 'status 200' };
  } catch (error) {
    return { came: false, whole: false, text: String(error) };
  }
}
