// Heads of any maker as fields for the encoder.
import type { HeadView } from '../../head/head-view.ts';
import { HOST } from '../../head/names.ts';
import { H2Head } from '../h2-head.ts';
import { type Field, PSEUDO } from '../hpack/field.ts';
import type { FieldTable } from '../hpack/field-table.ts';

/**
 * Calls `put` for each regular field, in order, as HTTP/2 has them: names in lower case, without Host and without what
 * concerns one connection of HTTP/1.1.
 */
export function eachField(known: FieldTable, head: HeadView, put: (field: Field) => void): void {
  const putIfValid = (name: string, value: string): void => {
    const fieldName = known.name(name.toLowerCase());
    if (fieldName.connectionSpecific || fieldName.id === HOST || fieldName.pseudo !== PSEUDO.none) return;
    const field = known.field(fieldName, value);
    // What HTTP/1.1 lets pass and HTTP/2 does not would cost the whole message.
    if (field.validInHttp2) put(field);
  };
  if (!(head instanceof H2Head)) {
    head.forEach(putIfValid);
    return;
  }
  for (const field of head.fields) {
    if (field === undefined) continue;
    const { name } = field;
    if (field.validInHttp2 && !name.connectionSpecific && name.id !== HOST) put(field);
    else if (!name.validInHttp2) putIfValid(name.text, field.value);
  }
}

/** The same for HTTP/1.1 that is carried: names and lines as they are, Host among them. */
export function eachLine(known: FieldTable, head: HeadView, put: (field: Field) => void): void {
  head.forEach((name, value) => {
    const fieldName = known.name(name);
    if (fieldName.connectionSpecific || fieldName.pseudo !== PSEUDO.none) return;
    const field = known.field(fieldName, value);
    if (field.valid) put(field);
  });
}

/** The regular fields as a list, for what can not be written at once. */
export function headFields(known: FieldTable, head: HeadView, carried: boolean): Field[] {
  const fields: Field[] = [];
  (carried ? eachLine : eachField)(known, head, (field) => fields.push(field));
  return fields;
}
