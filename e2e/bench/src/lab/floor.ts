/** The floor: what the same reads and writes cost in Node when nobody looks at the bytes. */
import { fileURLToPath } from 'node:url';
import type { Contender } from '../measure.ts';
import { untilItAnswers, type Lab } from './lab.ts';

export async function floor(lab: Lab, authority: string): Promise<Contender> {
  const program = fileURLToPath(new URL('floor.js', import.meta.url));
  const { port, pid } = await lab.server([process.execPath, program], { FLOOR_TO: String(await lab.backend()) });
  await untilItAnswers(port);
  return { name: 'floor', version: `Node ${process.version}`, host: '127.0.0.1', port, authority, pids: [pid] };
}
