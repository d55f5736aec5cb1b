/** The thread that reads and writes long configuration text; text-thread.ts is its other end. */
import { parentPort } from 'node:worker_threads';
import { errorMessage } from '@weft/kit';
import { parseConfig, type ParsedObject } from '../parse-config.ts';
import { objectText } from '../store/directory/edit-file.ts';
import type { Done, Job } from './messages.ts';

const plain = ({ object, text, start, end }: ParsedObject): Omit<ParsedObject, 'locate'> => ({
  object,
  ...(text === undefined ? {} : { text }),
  start,
  end,
});

function run(job: Job): Done {
  const { id, kind } = job;
  try {
    if (kind === 'objectText') return { id, kind, result: objectText(job.item, {}) };
    const { objects, problems } = parseConfig(job.text, job.file);
    return { id, kind, result: { objects: objects.map(plain), problems } };
  } catch (error) {
    return { id, kind: 'failed', message: errorMessage(error) };
  }
}

parentPort?.on('message', (job: Job) => parentPort?.postMessage(run(job)));
