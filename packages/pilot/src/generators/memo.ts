/** Values that several proxies share within one snapshot. The key must name every input beside the snapshot. */
export interface Memo {
  once<T>(key: string, build: () => T): T;
}

export function createMemo(): Memo {
  const values = new Map<string, unknown>();
  return {
    once<T>(key: string, build: () => T): T {
      if (values.has(key)) return values.get(key) as T;
      const value = build();
      values.set(key, value);
      return value;
    },
  };
}
