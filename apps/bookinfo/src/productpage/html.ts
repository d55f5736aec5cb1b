/** Markup that was built by `html`, so it need not be escaped again. */
export interface Html {
  readonly text: string;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escape = (text: string): string => text.replace(/[&<>"']/g, (sign) => ESCAPES[sign] ?? '');

/** A template whose plain values are escaped; values that are `Html` stand as they are. */
export function html(parts: TemplateStringsArray, ...values: readonly (string | number | Html)[]): Html {
  const filled = values.map((value) => (typeof value === 'object' ? value.text : escape(String(value))));
  return { text: parts.reduce((text, part, index) => text + part + (filled[index] ?? ''), '') };
}

export const join = (items: readonly Html[]): Html => ({ text: items.map((item) => item.text).join('\n') });
