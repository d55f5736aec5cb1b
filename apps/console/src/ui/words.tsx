import type { ReactNode } from 'react';

/** A sentence of the API: what stands in backticks is a command or a value. */
export function Words({ children }: { readonly children: string }): ReactNode {
  return children.split('`').map((part, i) =>
    i % 2 === 1 ? (
      // Parts of one sentence have no other identity than their place.
      <code key={i} className="mono">
        {part}
      </code>
    ) : (
      part
    ),
  );
}
