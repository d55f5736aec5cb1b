/** What productpage asks of the other services, and what it says when they do not answer. */
import type { Call, CallResult, JsonClient } from '../shared/client.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export type Topic = 'details' | 'reviews' | 'ratings';

export interface Backends {
  ask(topic: Topic, productId: number, headers: Readonly<Record<string, string>>): Promise<Answer>;
}

const TIMEOUT_MS = 3_000;
// Reviews get a second chance, so a caller waits up to twice the timeout for them.
const ATTEMPTS: Record<Topic, number> = { details: 1, reviews: 2, ratings: 1 };

export function createBackends(client: JsonClient, addressOf: (topic: Topic) => URL): Backends {
  const addresses: Record<Topic, URL> = {
    details: addressOf('details'),
    reviews: addressOf('reviews'),
    ratings: addressOf('ratings'),
  };
  return {
    async ask(topic, productId, headers) {
      const call: Call = { url: new URL(`/${topic}/${productId}`, addresses[topic]), headers, timeoutMs: TIMEOUT_MS };
      let result: CallResult = { ok: false, reason: 'not tried' };
      for (let attempt = 0; attempt < ATTEMPTS[topic]; attempt += 1) {
        result = await client.get(call);
        if (result.ok && result.status === 200 && isObject(result.body)) return { status: 200, body: result.body };
      }
      // An answer that is 200 but no JSON is a failure too.
      const status = result.ok && result.status !== 200 ? result.status : 500;
      return { status, body: { error: `Sorry, product ${topic} are currently unavailable for this book.` } };
    },
  };
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
