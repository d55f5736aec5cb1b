import type { HeadView } from '../head/head-view.ts';
import { HOST, nameId, UNKNOWN_NAME, type NameId } from '../head/names.ts';
import { type Field, PSEUDO } from './hpack/field.ts';
import type { FieldTable } from './hpack/field-table.ts';

const COLON = 0x3a;
const COOKIE = nameId('cookie');

/**
 * A head backed by decoded fields, which it shares with every head that has the same. Edits put other fields in their
 * place. `host` is no field of it: `:authority` is. A head of HTTP/1.1 that was carried (carried.ts) has its Host in its
 * place among the fields, and names in any case.
 */
export class H2Head implements HeadView {
  readonly known: FieldTable;
  method: Field | undefined;
  scheme: Field | undefined;
  path: Field | undefined;
  authority: Field | undefined;
  protocol: Field | undefined;
  status: Field | undefined;
  reason: Field | undefined;
  /** Regular fields in order; a hole where one was removed. */
  readonly fields: (Field | undefined)[] = [];
  /** Some name begins as the mesh's own do: a hint for whoever strips these. */
  hasInternalNames = false;
  /** Bit masks over name ids 1–31 and 32–63; a bit may stay when its field goes. */
  #present0 = 0;
  #present1 = 0;
  readonly #carried: boolean;
  /** Where Host is among the fields; -1 = nowhere. */
  #hostAt = -1;

  constructor(known: FieldTable, carried = false) {
    this.known = known;
    this.#carried = carried;
  }

  append(field: Field): void {
    switch (field.name.pseudo) {
      case PSEUDO.none:
        if (field.name.id === HOST) this.#setHost(field);
        else this.#push(field);
        break;
      case PSEUDO.method:
        this.method = field;
        break;
      case PSEUDO.scheme:
        this.scheme = field;
        break;
      case PSEUDO.path:
        this.path = field;
        break;
      case PSEUDO.authority:
        this.#setHost(field);
        break;
      case PSEUDO.protocol:
        this.protocol = field;
        break;
      case PSEUDO.status:
        this.status = field;
        break;
      case PSEUDO.reason:
        this.reason = field;
        break;
      default:
        break;
    }
  }

  #setHost(field: Field): void {
    if (this.#hostAt >= 0) {
      const former = this.fields[this.#hostAt];
      this.authority = former === undefined ? field : this.known.field(former.name, field.value);
      this.fields[this.#hostAt] = this.authority;
      return;
    }
    this.authority = field;
    if (!this.#carried || field.name.id !== HOST) return;
    this.#hostAt = this.fields.length;
    this.fields.push(field);
  }

  #push(field: Field): void {
    const { id, internal } = field.name;
    if (!this.#carried && id === COOKIE && this.#mayHave(COOKIE) && this.#joinCookie(field)) return;
    this.fields.push(field);
    if (id < 32) this.#present0 |= 1 << id;
    else this.#present1 |= 1 << (id - 32);
    if (internal) this.hasInternalNames = true;
  }

  /** RFC 9113 §8.2.3: crumbs are one field to everybody else. */
  #joinCookie(crumb: Field): boolean {
    const at = this.#find('cookie', COOKIE);
    const former = this.fields[at];
    if (former === undefined) return false;
    this.fields[at] = this.known.field(former.name, `${former.value}; ${crumb.value}`);
    return true;
  }

  get(name: string): string | undefined {
    if (name.charCodeAt(0) === COLON) return this.#pseudo(name)?.value;
    const id = nameId(name);
    if (id === HOST) return this.authority?.value;
    if (!this.#mayHave(id)) return undefined;
    const { fields } = this;
    let value: string | undefined;
    for (let i = 0; i < fields.length; i += 1) {
      const field = fields[i];
      if (field === undefined || field.name.id !== id || (id === UNKNOWN_NAME && field.name.lower !== name)) continue;
      value = value === undefined ? field.value : `${value},${field.value}`;
    }
    return value;
  }

  has(name: string): boolean {
    if (name.charCodeAt(0) === COLON) return this.#pseudo(name) !== undefined;
    const id = nameId(name);
    return id === HOST ? this.authority !== undefined : this.#find(name, id) >= 0;
  }

  set(name: string, value: string): void {
    const id = nameId(name);
    if (id === HOST) return this.set(':authority', value);
    const first = name.charCodeAt(0) === COLON ? -1 : this.#find(name, id);
    const former = first < 0 ? undefined : this.fields[first];
    if (former === undefined) return this.append(this.known.field(this.known.name(name), value));
    this.#removeFrom(first + 1, name, id);
    this.fields[first] = this.known.field(former.name, value);
  }

  add(name: string, value: string): void {
    this.append(this.known.field(this.known.name(name.toLowerCase()), value));
  }

  remove(name: string): void {
    const id = nameId(name);
    if (id === HOST || name === ':authority') this.#removeHost();
    else if (this.#mayHave(id)) this.#removeFrom(0, name, id);
  }

  #removeHost(): void {
    this.authority = undefined;
    if (this.#hostAt >= 0) this.fields[this.#hostAt] = undefined;
    this.#hostAt = -1;
  }

  forEach(visit: (name: string, value: string) => void): void {
    if (this.authority !== undefined && this.#hostAt < 0) visit('host', this.authority.value);
    for (const field of this.fields) if (field !== undefined) visit(field.name.text, field.value);
  }

  removeWhere(test: (lowerCaseName: string) => boolean): void {
    const { fields } = this;
    for (let i = 0; i < fields.length; i += 1) {
      const field = fields[i];
      if (field !== undefined && test(field.name.lower)) fields[i] = undefined;
    }
  }

  /** Appends all lines as HTTP/1.1 has them. */
  writeFields(out: string): string {
    let written = this.authority === undefined || this.#hostAt >= 0 ? out : `${out}host: ${this.authority.value}\r\n`;
    for (const field of this.fields) if (field !== undefined) written += field.line;
    return written;
  }

  #mayHave(id: NameId): boolean {
    return (id < 32 ? this.#present0 & (1 << id) : this.#present1 & (1 << (id - 32))) !== 0;
  }

  #find(name: string, id: NameId): number {
    if (!this.#mayHave(id)) return -1;
    return this.fields.findIndex(
      (field) => field !== undefined && field.name.id === id && (id !== UNKNOWN_NAME || field.name.lower === name),
    );
  }

  #removeFrom(start: number, name: string, id: NameId): void {
    const { fields } = this;
    for (let i = start; i < fields.length; i += 1) {
      const field = fields[i];
      if (field !== undefined && field.name.id === id && (id !== UNKNOWN_NAME || field.name.lower === name))
        fields[i] = undefined;
    }
  }

  #pseudo(name: string): Field | undefined {
    switch (name) {
      case ':method':
        return this.method;
      case ':path':
        return this.path;
      case ':authority':
        return this.authority;
      case ':scheme':
        return this.scheme;
      case ':status':
        return this.status;
      case ':protocol':
        return this.protocol;
      default:
        return undefined;
    }
  }
}
