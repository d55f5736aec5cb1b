import type { HeadView } from '../head/head-view.ts';
import { HOST, nameId, UNKNOWN_NAME, type NameId } from '../head/names.ts';
import { FIELD_STRIDE, type HeadParser } from './head-parser.ts';

const REMOVED = -1;
const COLON = 58;

/**
 * A head backed by its received text and the parser's spans. What nobody edits is copied on as it came, in runs; a
 * string is made only for what somebody reads. Valid until the parser begins its next message.
 */
export class H1Head implements HeadView {
  readonly parser: HeadParser;
  /** The received head; offsets of the parser point into it. */
  text = '';
  /** Replaced values, by position in the parser's `fields`; undefined while there is none. */
  #overrides: (string | undefined)[] | undefined;
  /** Added lines: name, value, name, value. */
  readonly #added: string[] = [];
  #method: string | undefined;
  #path: string | undefined;
  #authority: string | undefined;
  #scheme = 'http';
  #firstLineEdited = false;

  constructor(parser: HeadParser) {
    this.parser = parser;
  }

  /** Takes the head that the parser has just completed; `buffer[base]` is the first byte of its message. */
  take(buffer: Buffer, base: number): void {
    this.text = buffer.toString('latin1', base, base + this.parser.headEnd);
    this.#overrides = undefined;
    this.#added.length = 0;
    this.#method = undefined;
    this.#path = undefined;
    this.#authority = undefined;
    this.#scheme = 'http';
    this.#firstLineEdited = false;
  }

  get status(): number {
    return this.parser.status;
  }

  get method(): string {
    this.#method ??= this.text.slice(this.parser.headStart, this.parser.methodEnd);
    return this.#method;
  }

  get path(): string {
    this.#path ??= this.text.slice(this.parser.targetStart, this.parser.targetEnd);
    return this.#path;
  }

  /** True when path, method or version differ from the received first line. */
  get firstLineEdited(): boolean {
    return this.#firstLineEdited;
  }

  get(name: string): string | undefined {
    if (name.charCodeAt(0) === COLON) return this.#pseudo(name);
    const id = nameId(name);
    if (id === HOST) return this.#pseudo(':authority');
    const { fieldsLength } = this.parser;
    let value: string | undefined;
    if (this.#mayHave(id)) {
      for (let i = 0; i < fieldsLength; i += FIELD_STRIDE) {
        if (!this.#matches(i, id, name)) continue;
        const one = this.#valueAt(i);
        value = value === undefined ? one : `${value},${one}`;
      }
    }
    for (let i = 0; i < this.#added.length; i += 2) {
      if (this.#added[i] !== name) continue;
      const one = this.#added[i + 1] ?? '';
      value = value === undefined ? one : `${value},${one}`;
    }
    return value;
  }

  has(name: string): boolean {
    if (name.charCodeAt(0) === COLON) return this.#pseudo(name) !== undefined;
    return this.#find(name, nameId(name)) >= 0 || this.#findAdded(name) >= 0;
  }

  set(name: string, value: string): void {
    if (name.charCodeAt(0) === COLON) return this.#setPseudo(name, value);
    const id = nameId(name);
    if (id === HOST) this.#authority = value;
    const first = this.#find(name, id);
    if (first < 0) {
      const added = this.#findAdded(name);
      if (added < 0) this.#added.push(name, value);
      else this.#added[added + 1] = value;
      return;
    }
    const { fields, fieldsLength } = this.parser;
    for (let i = first + FIELD_STRIDE; i < fieldsLength; i += FIELD_STRIDE) {
      if (this.#matches(i, id, name)) fields[i] = REMOVED;
    }
    this.#removeAdded(name);
    this.#overrides ??= [];
    this.#overrides[first] = value;
  }

  add(name: string, value: string): void {
    this.#added.push(name, value);
  }

  remove(name: string): void {
    const id = nameId(name);
    if (this.#mayHave(id)) {
      const { fields, fieldsLength } = this.parser;
      for (let i = 0; i < fieldsLength; i += FIELD_STRIDE) if (this.#matches(i, id, name)) fields[i] = REMOVED;
    }
    this.#removeAdded(name);
  }

  forEach(visit: (name: string, value: string) => void): void {
    const { fields, fieldsLength } = this.parser;
    for (let i = 0; i < fieldsLength; i += FIELD_STRIDE) {
      if (fields[i] !== REMOVED) visit(this.text.slice(fields[i + 1], fields[i + 2]), this.#valueAt(i));
    }
    for (let i = 0; i < this.#added.length; i += 2) visit(this.#added[i] ?? '', this.#added[i + 1] ?? '');
  }

  /** Removes every line whose lower-case name the test accepts; costs a string per name, so ask `parser.hasInternalNames` first. */
  removeWhere(test: (lowerCaseName: string) => boolean): void {
    const { fields, fieldsLength } = this.parser;
    for (let i = 0; i < fieldsLength; i += FIELD_STRIDE) {
      if (fields[i] !== REMOVED && test(this.text.slice(fields[i + 1], fields[i + 2]).toLowerCase()))
        fields[i] = REMOVED;
    }
  }

  /** Appends all lines to `out`, untouched neighbours in one piece. */
  writeFields(out: string): string {
    const { fields, fieldsLength, fieldsEnd } = this.parser;
    const { text } = this;
    const overrides = this.#overrides;
    let runStart = -1;
    let written = out;
    for (let i = 0; i < fieldsLength; i += FIELD_STRIDE) {
      const override = overrides === undefined ? undefined : overrides[i];
      if (fields[i] !== REMOVED && override === undefined) {
        if (runStart < 0) runStart = fields[i + 1] ?? 0;
        continue;
      }
      if (runStart >= 0) {
        written += text.slice(runStart, fields[i + 1]);
        runStart = -1;
      }
      if (fields[i] !== REMOVED) written += `${text.slice(fields[i + 1], fields[i + 2])}: ${override ?? ''}\r\n`;
    }
    if (runStart >= 0) written += text.slice(runStart, fieldsEnd);
    const added = this.#added;
    for (let i = 0; i < added.length; i += 2) written += `${added[i] ?? ''}: ${added[i + 1] ?? ''}\r\n`;
    return written;
  }

  #mayHave(id: NameId): boolean {
    return id < 32 ? (this.parser.present0 & (1 << id)) !== 0 : (this.parser.present1 & (1 << (id - 32))) !== 0;
  }

  #find(name: string, id: NameId): number {
    if (!this.#mayHave(id)) return -1;
    const { fieldsLength } = this.parser;
    for (let i = 0; i < fieldsLength; i += FIELD_STRIDE) if (this.#matches(i, id, name)) return i;
    return -1;
  }

  #matches(i: number, id: NameId, name: string): boolean {
    const { fields } = this.parser;
    if (fields[i] !== id) return false;
    if (id !== UNKNOWN_NAME) return true;
    const start = fields[i + 1] ?? 0;
    if ((fields[i + 2] ?? 0) - start !== name.length) return false;
    for (let k = 0; k < name.length; k += 1) {
      const code = this.text.charCodeAt(start + k);
      const lower = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
      if (lower !== name.charCodeAt(k)) return false;
    }
    return true;
  }

  #valueAt(i: number): string {
    return this.#overrides?.[i] ?? this.text.slice(this.parser.fields[i + 3], this.parser.fields[i + 4]);
  }

  #findAdded(name: string): number {
    for (let i = 0; i < this.#added.length; i += 2) if (this.#added[i] === name) return i;
    return -1;
  }

  #removeAdded(name: string): void {
    for (let i = this.#findAdded(name); i >= 0; i = this.#findAdded(name)) this.#added.splice(i, 2);
  }

  #pseudo(name: string): string | undefined {
    switch (name) {
      case ':method':
        return this.parser.status === 0 ? this.method : undefined;
      case ':path':
        return this.parser.status === 0 ? this.path : undefined;
      case ':authority':
        if (this.#authority === undefined) {
          const i = this.#find('host', HOST);
          if (i >= 0) this.#authority = this.#valueAt(i);
        }
        return this.#authority;
      case ':scheme':
        return this.parser.status === 0 ? this.#scheme : undefined;
      case ':status':
        return this.parser.status === 0 ? undefined : String(this.parser.status);
      default:
        return undefined;
    }
  }

  #setPseudo(name: string, value: string): void {
    switch (name) {
      case ':method':
        this.#method = value;
        this.#firstLineEdited = true;
        break;
      case ':path':
        this.#path = value;
        this.#firstLineEdited = true;
        break;
      case ':authority':
        this.set('host', value);
        break;
      case ':scheme':
        this.#scheme = value;
        break;
      default:
        break;
    }
  }
}
