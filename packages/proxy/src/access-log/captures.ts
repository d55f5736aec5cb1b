import type { HeadView } from '../head/head-view.ts';

/** What a listener's logs ask for beside what every record has. Header names in lower case. */
export interface LogWants {
  readonly request: readonly string[];
  readonly response: readonly string[];
  readonly trailers: readonly string[];
  /** Bytes on the wire. */
  readonly wire: boolean;
  /** TLS of the client's connection, and of the one to the upstream. */
  readonly downstreamTls: boolean;
  readonly upstreamTls: boolean;
  /** Which hosts were tried, and how long that took. */
  readonly attempts: boolean;
  /** Of route, cluster and host. */
  readonly metadata: boolean;
}

type Part = 'request' | 'response' | 'trailers';
type Aspect = Exclude<keyof LogWants, Part>;

/** Gathers what formats and filters ask for while they are compiled. */
export class Wanted {
  readonly request: string[] = [];
  readonly response: string[] = [];
  readonly trailers: string[] = [];
  readonly #aspects = new Set<Aspect>();

  want(part: Part, name: string): void {
    if (!this[part].includes(name)) this[part].push(name);
  }

  wantAspect(aspect: Aspect): void {
    this.#aspects.add(aspect);
  }

  /** As plain values: it is read for every request. @returns undefined when nothing is asked for, so that requests pay nothing. */
  get asked(): LogWants | undefined {
    const { request, response, trailers } = this;
    if (request.length + response.length + trailers.length + this.#aspects.size === 0) return undefined;
    return {
      request,
      response,
      trailers,
      wire: this.#aspects.has('wire'),
      downstreamTls: this.#aspects.has('downstreamTls'),
      upstreamTls: this.#aspects.has('upstreamTls'),
      attempts: this.#aspects.has('attempts'),
      metadata: this.#aspects.has('metadata'),
    };
  }
}

/** The values of those that are there. */
export function capture(names: readonly string[], head: HeadView): ReadonlyMap<string, string> | undefined {
  let values: Map<string, string> | undefined;
  for (const name of names) {
    const value = head.get(name);
    if (value !== undefined) (values ??= new Map()).set(name, value);
  }
  return values;
}
