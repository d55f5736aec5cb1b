import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '@weft/kit';
import { tempDir } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../parse-config.ts';
import { createTextThread, type TextThreadOptions } from './text-thread.ts';

const YAML = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: a }
spec: { hosts: [a], http: [{ route: [{ destination: { host: a } }] }] }
`;

/** Behaves as the text says; the real program is tested with the control plane that is built with it. */
const PROGRAM = `
import { parentPort } from 'node:worker_threads';
parentPort.on('message', ({ id, kind, text = '' }) => {
  if (text.includes('hang')) return;
  if (text.includes('crash')) throw new Error('out of stack');
  const object = { apiVersion: 'v1', kind: 'VirtualService', metadata: { name: 'a' }, spec: {}, source: { file: 'f', line: 1, column: 1 } };
  parentPort.postMessage({ id, kind, result: { objects: [{ object, text, start: 0, end: text.length }], problems: [] } });
});`;

async function withThread(
  options: Partial<TextThreadOptions>,
  run: (thread: ReturnType<typeof createTextThread>) => Promise<void>,
): Promise<void> {
  await using dir = await tempDir();
  const program = join(dir.path, 'worker.mjs');
  await writeFile(program, PROGRAM);
  const thread = createTextThread({ program: pathToFileURL(program), clock: systemClock, minChars: 10, ...options });
  try {
    await run(thread);
  } finally {
    await thread.close();
  }
}

describe('createTextThread', () => {
  it('works on short text here and on long text elsewhere, with places and frozen objects in both', () =>
    withThread({ minChars: YAML.length }, async (thread) => {
      expect((await thread.parse('kind: x', 'f')).problems).toEqual(parseConfig('kind: x', 'f').problems);
      const { objects } = await thread.parse(YAML, 'f');
      const [only] = objects;
      expect(Object.isFrozen(only?.object) && Object.isFrozen(only?.object.source)).toBe(true);
      expect(only?.locate(['spec', 'hosts'])).toEqual({ line: 4, column: 9 });
    }));
  it('text that its reader dies of, or never ends with, is a finding; the next text finds a new reader', () =>
    withThread({ limitMs: 500 }, async (thread) => {
      for (const [text, reason] of [
        ['crash: and burn', /out of stack/],
        ['hang: for ever', /longer than 0.5 s/],
      ] as const) {
        expect(await thread.parse(text, 'f')).toMatchObject({
          objects: [],
          problems: [{ code: 'W0003', severity: 'error', file: 'f', message: expect.stringMatching(reason) as string }],
        });
        expect((await thread.parse(YAML, 'f')).objects).toHaveLength(1);
      }
    }));
  it('many at once are answered each to its own', () =>
    withThread({}, async (thread) => {
      const texts = Array.from({ length: 20 }, (_, index) => `# text number ${index}`);
      const results = await Promise.all(texts.map((text) => thread.parse(text, 'f')));
      expect(results.map(({ objects }) => objects[0]?.text)).toEqual(texts);
    }));
});
