/** The work on text that takes long for long text: reading it, and writing an object as its author wrote it. */
import { parseConfig, type ParseOptions, type ParseResult } from '../parse-config.ts';
import type { ApplyItem } from '../store/config-store.ts';
import { objectText } from '../store/directory/edit-file.ts';

export interface ConfigText {
  /** As `parseConfig`. */
  parse(text: string, file: string): Promise<ParseResult>;
  /** The text of a file of its own for one object. */
  objectText(item: ApplyItem): Promise<string>;
}

/** In this thread. */
export const textHere = (options: ParseOptions = {}): ConfigText => ({
  parse: (text, file) => Promise.resolve(parseConfig(text, file, options)),
  objectText: (item) => Promise.resolve(objectText(item, options)),
});
