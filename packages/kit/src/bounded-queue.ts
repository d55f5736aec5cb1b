/** First in, first out, with a limit. What does not fit drops the oldest and is counted. */
export interface BoundedQueue<T> {
  push(item: T): void;
  /** Takes up to `max` items, oldest first. */
  take(max: number): T[];
  readonly size: number;
  readonly dropped: number;
}

export function createBoundedQueue<T>(limit: number): BoundedQueue<T> {
  let items: (T | undefined)[] = [];
  let head = 0;
  let dropped = 0;
  const compact = (): void => {
    if (head > 1024 && head * 2 > items.length) {
      items = items.slice(head);
      head = 0;
    }
  };
  return {
    push(item) {
      if (items.length - head >= limit) {
        items[head] = undefined;
        head += 1;
        dropped += 1;
        compact();
      }
      items.push(item);
    },
    take(max) {
      const taken = items.slice(head, head + max) as T[];
      head += taken.length;
      if (head === items.length) {
        items = [];
        head = 0;
      }
      return taken;
    },
    get size() {
      return items.length - head;
    },
    get dropped() {
      return dropped;
    },
  };
}
