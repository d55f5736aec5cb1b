import type { HeadView } from '../head/head-view.ts';

/** Headers that a listener's logs ask for beside those that every record keeps. Names in lower case. */
export interface HeaderWants {
  readonly request: readonly string[];
  readonly response: readonly string[];
  readonly trailers: readonly string[];
}

/** Gathers what formats and filters ask for while they are compiled. */
export class WantedHeaders implements HeaderWants {
  readonly request: string[] = [];
  readonly response: string[] = [];
  readonly trailers: string[] = [];

  want(part: keyof HeaderWants, name: string): void {
    if (!this[part].includes(name)) this[part].push(name);
  }

  /** undefined when nothing is asked for, so that requests pay nothing. */
  get asked(): HeaderWants | undefined {
    return this.request.length + this.response.length + this.trailers.length === 0 ? undefined : this;
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
