/** The metrics' state as one checked file. The journal that follows it is named in it. */
import { readFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { errorCode, errorMessage } from '@weft/kit';
import type { SavedMetrics } from './metrics-store.ts';

export interface Snapshot {
  /** Journal segments from this one on come after the snapshot. */
  readonly journal: number;
  readonly metrics: SavedMetrics;
}

// "WEFTTS", then the version of the layout.
const MAGIC = Buffer.from('WEFTTS01');

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const body = serialize(snapshot);
  const head = Buffer.alloc(MAGIC.length + 8);
  MAGIC.copy(head);
  head.writeUInt32LE(body.length, MAGIC.length);
  head.writeUInt32LE(crc32(body), MAGIC.length + 4);
  return Buffer.concat([head, body]);
}

/** @returns undefined when there is no file; a text that says what is wrong when it can not be used. */
export function readSnapshot(path: string): Snapshot | string | undefined {
  let data: Buffer;
  try {
    data = readFileSync(path);
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? undefined : errorMessage(error);
  }
  const body = data.subarray(MAGIC.length + 8);
  if (!data.subarray(0, MAGIC.length).equals(MAGIC)) return 'it is not a snapshot of this version';
  if (data.readUInt32LE(MAGIC.length) !== body.length) return 'it is cut off';
  if (data.readUInt32LE(MAGIC.length + 4) !== crc32(body)) return 'its checksum is wrong';
  try {
    // The checksum holds, so these are bytes that encodeSnapshot wrote.
    return deserialize(body) as Snapshot;
  } catch (error) {
    return errorMessage(error);
  }
}
