// Heads of any maker as fields for the encoder: names in lower case, without what concerns one HTTP/1.1 connection.
import type { HeadView } from '../../head/head-view.ts';
import { HOST, nameId } from '../../head/names.ts';
import { H2Head } from '../h2-head.ts';
import { type Field, PSEUDO } from '../hpack/field.ts';
import type { FieldTable } from '../hpack/field-table.ts';

const TE = nameId('te');

/** Calls `put` for each regular field, in order. */
export function eachField(known: FieldTable, head: HeadView, put: (field: Field) => void): void {
  if (head instanceof H2Head) {
    for (const field of head.fields) if (field !== undefined && mayGo(field)) put(field);
    return;
  }
  head.forEach((name, value) => {
    const fieldName = known.name(name.toLowerCase());
    if (fieldName.connectionSpecific || fieldName.id === HOST || fieldName.pseudo !== PSEUDO.none) return;
    const field = known.field(fieldName, value);
    // What HTTP/1.1 lets pass and HTTP/2 does not would cost the whole message.
    if (field.valid) put(field);
  });
}

/** Edits may have added what no peer may send. */
const mayGo = (field: Field): boolean =>
  !field.name.connectionSpecific && field.name.id !== HOST && (field.valid || field.name.id !== TE);

/** The regular fields as a list, for what can not be written at once. */
export function headFields(known: FieldTable, head: HeadView): Field[] {
  const fields: Field[] = [];
  eachField(known, head, (field) => fields.push(field));
  return fields;
}
