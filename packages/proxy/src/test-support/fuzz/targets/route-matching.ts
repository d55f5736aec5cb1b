// Routes and requests out of bytes: the compiled table answers what a reading from top to bottom answers.
import { compileRoutes, createRegexEngine, type RequestFacts, type RouteTable } from '@weft/evaluator';
import {
  naiveCluster,
  type PlainHost,
  type PlainRequest,
  plainRoutes,
  type PlainRoute,
} from '@weft/evaluator/naive-routes';
import { seededRandom } from '@weft/kit';
import { type FuzzTarget, mustEqual } from '../fuzz-target.ts';

// A table costs more than many requests, so two bytes stand for all its draws, and most changes leave them alone.
const CONFIG_BYTES = 2;
const CONFIG_DRAWS = 400;
const MAX_BYTES = 242;
const MAX_TABLES = 512;
const MAX_ROUTES = 20;

const DOMAINS = ['a.b', 'c.a.b', '*.b', '*.a.b', '*b', 'a.*', 'a*', 'c.a.*', '*', 'x', 'A.X', '[::1]'] as const;
const AUTHORITIES = ['a.b', 'A.B', 'c.a.b', 'd.b', 'b', 'a.x', 'a', 'c.a.z', 'x', 'other', '[::1]', '*.b'] as const;
const SEGMENTS = ['a', 'A', 'b', 'ab', 'B1', '', '.', '%41', 'a.b', 'a+'] as const;
const KINDS = ['prefix', 'path', 'pathSeparatedPrefix', 'safeRegex'] as const;
const HEADERS = [undefined, '', 'x', 'y'] as const;

/** Draws by the bytes of an input; at its end always the first. */
class Draws {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  int(below: number): number {
    const byte = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return byte % below;
  }
  of<T>(list: readonly [T, ...T[]]): T {
    return list[this.int(list.length)] ?? list[0];
  }
  path(): string {
    return Array.from({ length: 1 + this.int(3) }, () => `/${this.of(SEGMENTS)}`).join('');
  }
}

function routeOf(draws: Draws): PlainRoute {
  const kind = draws.of(KINDS);
  const marks = draws.int(16);
  const header =
    marks < 4
      ? { value: draws.of(['x', 'y']), invert: (marks & 1) !== 0, missingIsEmpty: (marks & 2) !== 0 }
      : undefined;
  const text = draws.path();
  // These may not end with a slash, and are read as an expression.
  const plain = kind === 'pathSeparatedPrefix' ? text.replace(/\/+$/, '') || '/a' : text;
  return {
    kind,
    text: kind === 'safeRegex' ? plain.replaceAll(/[.+]/g, '') : plain,
    caseSensitive: marks < 12,
    header,
  };
}

function hostsOf(draws: Draws): PlainHost[] {
  const seen = new Set<string>();
  const hosts: PlainHost[] = [];
  for (let left = 1 + draws.int(5); left > 0; left -= 1) {
    const domain = draws.of(DOMAINS);
    if (seen.has(domain.toLowerCase())) continue;
    seen.add(domain.toLowerCase());
    hosts.push({
      domains: [domain.toLowerCase()],
      routes: Array.from({ length: draws.int(MAX_ROUTES) }, () => routeOf(draws)),
    });
  }
  return hosts;
}

class Facts implements RequestFacts {
  readonly method = 'GET';
  readonly query = '';
  readonly scheme = 'http';
  readonly path: string;
  readonly authority: string;
  readonly #header: string | undefined;

  constructor({ path, authority, header }: PlainRequest) {
    this.path = path;
    this.authority = authority;
    this.#header = header;
  }
  header(name: string): string | undefined {
    return name === 'h' ? this.#header : undefined;
  }
}

export function routeMatching(): FuzzTarget {
  const regex = createRegexEngine();
  const random = seededRandom(1);
  const tables = new Map<number, { readonly hosts: readonly PlainHost[]; readonly table: RouteTable }>();
  return {
    name: 'route-matching',
    maxBytes: MAX_BYTES,
    dictionary: [],
    run(input) {
      const key = ((input[0] ?? 0) << 8) | (input[1] ?? 0);
      let known = tables.get(key);
      if (known === undefined) {
        const hosts = hostsOf(new Draws(Buffer.from(seededRandom(key).bytes(CONFIG_DRAWS)), 0));
        known = { hosts, table: compileRoutes(plainRoutes(hosts), { regex }) };
        if (tables.size >= MAX_TABLES) tables.clear();
        tables.set(key, known);
      }
      const draws = new Draws(input, CONFIG_BYTES);
      let found = 0;
      while (draws.left > 0) {
        const asked = { authority: draws.of(AUTHORITIES), path: draws.path(), header: draws.of(HEADERS) };
        const got = known.table.route(new Facts(asked), random)?.cluster;
        mustEqual(
          String(got),
          String(naiveCluster(known.hosts, asked)),
          `${JSON.stringify(asked)} by ${JSON.stringify(known.hosts)}`,
        );
        if (got !== undefined) found += 1;
      }
      return `${known.hosts.length} ${Math.min(found, 20)}`;
    },
  };
}
