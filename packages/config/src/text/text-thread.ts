/** Long text is worked on in a thread of its own, so that a large file does not hold up whoever else is to be served. */
import { Worker } from 'node:worker_threads';
import { errorMessage, WeftError, type Clock, type Timer } from '@weft/kit';
import { parseConfig, type ParsedObject, type ParseResult } from '../parse-config.ts';
import type { Problem } from '../problems.ts';
import { textHere, type ConfigText } from './config-text.ts';
import { frozen, type Done, type Job, type PlainParse } from './messages.ts';

export interface TextThreadOptions {
  /** The built form of worker-main.ts. */
  readonly program: URL;
  readonly clock: Clock;
  /** Shorter text is worked on here: a thread costs more than it takes. */
  readonly minChars?: number;
  /** Text that takes longer is refused. */
  readonly limitMs?: number;
  /** The thread ends when nothing came for so long. */
  readonly idleMs?: number;
}

export interface TextThread extends ConfigText {
  close(): Promise<void>;
}

const MAX_HEAP_MB = 512;

interface Waiting {
  readonly resolve: (done: Done) => void;
  readonly reject: (error: Error) => void;
}

export function createTextThread(options: TextThreadOptions): TextThread {
  const { program, clock, minChars = 32 * 1024, limitMs = 30_000, idleMs = 10_000 } = options;
  const here = textHere();
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let idle: Timer | undefined;
  let jobs = 0;

  const fail = (from: Worker, reason: string): void => {
    if (worker !== from) return;
    worker = undefined;
    void from.terminate();
    const error = new WeftError('WEFT_CONFIG_TEXT', `the text could not be read: ${reason}`, {
      fix: 'Split it into several files.',
    });
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const start = (): Worker => {
    const started = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB } });
    started.unref();
    started.on('message', (done: Done) => {
      const job = waiting.get(done.id);
      waiting.delete(done.id);
      if (done.kind === 'failed') job?.reject(new WeftError('WEFT_CONFIG_TEXT', done.message));
      else job?.resolve(done);
      if (waiting.size > 0) return;
      idle?.cancel();
      idle = clock.after(idleMs, () => {
        if (waiting.size === 0) void close();
      });
    });
    started.on('error', (error) => fail(started, error.message));
    started.on('exit', () => fail(started, 'its reader ended'));
    return started;
  };
  const close = async (): Promise<void> => {
    idle?.cancel();
    const ending = worker;
    worker = undefined;
    await ending?.terminate();
  };
  type Work = Job extends infer Each ? (Each extends Job ? Omit<Each, 'id'> : never) : never;
  const run = async (job: Work): Promise<Done> => {
    idle?.cancel();
    const to = (worker ??= start());
    const id = (jobs += 1);
    const limit = clock.after(limitMs, () => fail(to, `it took longer than ${limitMs / 1000} s`));
    try {
      return await new Promise<Done>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        to.postMessage({ ...job, id });
      });
    } finally {
      limit.cancel();
    }
  };

  return {
    async parse(text, file) {
      if (text.length < minChars) return here.parse(text, file);
      try {
        const done = await run({ kind: 'parse', text, file });
        if (done.kind === 'parse') return revived(done.result, text, file);
        throw new TypeError(`an answer of kind ${done.kind} to a parse`);
      } catch (error) {
        // As `parseConfig`, this never throws: what can not be read is a finding about the text.
        return { objects: [], problems: [unread(errorMessage(error), file)] };
      }
    },
    async objectText(item) {
      if (item.text !== undefined && item.text.length < minChars) return here.objectText(item);
      const done = await run({ kind: 'objectText', item });
      return done.kind === 'objectText' ? done.result : here.objectText(item);
    },
    close,
  };
}

const unread = (message: string, file: string): Problem => ({
  code: 'W0003',
  severity: 'error',
  path: '',
  message,
  fix: 'Split it into several files.',
  file,
  line: 1,
  column: 1,
});

/** With places again; they are asked for seldom, and found by reading the text once more. */
function revived({ objects, problems }: PlainParse, text: string, file: string): ParseResult {
  let whole: ParseResult | undefined;
  return {
    problems,
    objects: objects.map((plain, index): ParsedObject => ({
      ...plain,
      object: frozen(plain.object),
      locate(path) {
        whole ??= parseConfig(text, file);
        return whole.objects[index]?.locate(path) ?? { line: 1, column: 1 };
      },
    })),
  };
}
