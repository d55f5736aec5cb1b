import type { HeadView } from './head-view.ts';

/** A head that is a list of fields: what the proxy itself answers, and what any codec without received text can offer. */
export class FieldsHead implements HeadView {
  readonly #pseudo = new Map<string, string>();
  /** Name as given, lower-case name, value. */
  #lines: { readonly name: string; readonly lower: string; value: string }[] = [];

  static request(method: string, path: string, authority: string): FieldsHead {
    const head = new FieldsHead();
    head.#pseudo.set(':method', method).set(':path', path).set(':scheme', 'http');
    head.add('host', authority);
    return head;
  }

  static response(status: number): FieldsHead {
    const head = new FieldsHead();
    head.#pseudo.set(':status', String(status));
    return head;
  }

  /** The fields of another head, without its pseudo-headers. */
  static copyOf(source: HeadView): FieldsHead {
    const head = new FieldsHead();
    source.forEach((name, value) => head.add(name, value));
    return head;
  }

  get(name: string): string | undefined {
    if (name === ':authority') return this.get('host');
    if (name.startsWith(':')) return this.#pseudo.get(name);
    let value: string | undefined;
    for (const line of this.#lines) {
      if (line.lower === name) value = value === undefined ? line.value : `${value},${line.value}`;
    }
    return value;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  set(name: string, value: string): void {
    if (name === ':authority') return this.set('host', value);
    if (name.startsWith(':')) {
      this.#pseudo.set(name, value);
      return;
    }
    const first = this.#lines.find((line) => line.lower === name);
    if (first === undefined) return this.add(name, value);
    first.value = value;
    this.#lines = this.#lines.filter((line) => line === first || line.lower !== name);
  }

  add(name: string, value: string): void {
    this.#lines.push({ name, lower: name.toLowerCase(), value });
  }

  remove(name: string): void {
    this.#lines = this.#lines.filter((line) => line.lower !== name);
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const line of this.#lines) visit(line.name, line.value);
  }
}
