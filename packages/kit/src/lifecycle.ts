import { errorMessage } from './errors.ts';

/** What a program has opened, closed in the reverse order. */
export interface Lifecycle {
  /** Registers something to close. When already closing, it is closed at once. */
  defer(name: string, close: () => void | Promise<void>): void;
  /** Closes everything once, last opened first; one failure does not stop the rest. Later calls wait for the same end. */
  close(): Promise<void>;
}

export function createLifecycle(onError: (name: string, message: string) => void): Lifecycle {
  const open: { readonly name: string; readonly close: () => void | Promise<void> }[] = [];
  let closing: Promise<void> | undefined;
  const end = async (name: string, close: () => void | Promise<void>): Promise<void> => {
    try {
      await close();
    } catch (error) {
      onError(name, errorMessage(error));
    }
  };
  const closeAll = async (): Promise<void> => {
    for (let item = open.pop(); item !== undefined; item = open.pop()) await end(item.name, item.close);
  };
  return {
    defer(name, close) {
      if (closing) void end(name, close);
      else open.push({ name, close });
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}
