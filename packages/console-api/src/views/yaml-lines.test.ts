import { describe, expect, it } from 'vitest';
import { lineOfField } from './yaml-lines.ts';

const YAML = `kind: VirtualService
spec:
  hosts: [reviews]
  http:
    - match: []
    - route:
        - destination:
            host: reviews
            subset: v9
`;

describe('lineOfField', () => {
  it.each([
    ['kind', 1],
    ['spec.hosts', 3],
    ['spec.http[1].route[0].destination.subset', 9],
    ['spec.http[1]', 6],
    // The nearest thing around what is not there.
    ['spec.http[1].route[0].destination.port', 7],
    ['spec.http[7]', 4],
  ])('%s is on line %i', (field, line) => expect(lineOfField(YAML, field)).toBe(line));
  it('knows nothing of a field in another document', () => {
    expect(lineOfField(YAML, 'metadata.name')).toBeUndefined();
    expect(lineOfField('', 'a')).toBeUndefined();
    expect(lineOfField('a: [', 'b.c')).toBeUndefined();
  });
});
