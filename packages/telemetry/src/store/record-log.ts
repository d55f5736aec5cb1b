/**
 * Append-only files of checksummed records, in numbered segments. A process killed while writing leaves at most one torn
 * record at the end of its last segment; a reopened log always begins a new segment, so nothing is ever repaired in place.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export interface RecordLogOptions {
  readonly dir: string;
  /** Files are `<name>-<number>.log`. */
  readonly name: string;
  /** A segment ends after the record that makes it this long. */
  readonly segmentBytes: number;
  /** Oldest segments are deleted until the rest is no longer than this; undefined keeps all. */
  readonly maxBytes: number | undefined;
}

export interface RecordLog {
  /** Handed to the operating system when it returns, so a killed process loses nothing. @throws the system's error when the disk refuses. */
  append(payload: Uint8Array): void;
  /** Begins a new segment, whose file comes with its first record. @returns its number. */
  rotate(): number;
  /** Deletes the segments with lower numbers. */
  dropBefore(segment: number): void;
  /** Of all segments on disk. */
  bytes(): number;
  close(): void;
}

/** What one segment held, in order of writing. */
export interface SegmentContent {
  readonly segment: number;
  readonly records: readonly Uint8Array[];
  /** True when the end could not be read: a torn or damaged record, and all behind it. */
  readonly damaged: boolean;
}

const HEADER_BYTES = 8;
const MAX_RECORD_BYTES = 64 * 1024 * 1024;

function segmentPath(dir: string, name: string, segment: number): string {
  return join(dir, `${name}-${String(segment).padStart(8, '0')}.log`);
}

/** Numbers of the segments on disk, ascending. */
export function listSegments(dir: string, name: string): readonly number[] {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return readdirSync(dir)
    .filter((file) => file.startsWith(`${name}-`) && /-\d{8,}\.log$/.test(file))
    .map((file) => Number(file.slice(name.length + 1, -'.log'.length)))
    .sort((a, b) => a - b);
}

export function readSegment(dir: string, name: string, segment: number): SegmentContent {
  const data = readFileSync(segmentPath(dir, name, segment));
  const records: Uint8Array[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= data.length) {
    const length = data.readUInt32LE(at);
    const end = at + HEADER_BYTES + length;
    if (length > MAX_RECORD_BYTES || end > data.length) break;
    const payload = data.subarray(at + HEADER_BYTES, end);
    if (crc32(payload) !== data.readUInt32LE(at + 4)) break;
    records.push(payload);
    at = end;
  }
  return { segment, records, damaged: at < data.length };
}

/** Opens the log for writing, in a new segment behind all that exist. */
export function openRecordLog(options: RecordLogOptions): RecordLog {
  const { dir, name, segmentBytes, maxBytes } = options;
  const sizes = new Map<number, number>();
  for (const segment of listSegments(dir, name)) sizes.set(segment, statSync(segmentPath(dir, name, segment)).size);
  let current = Math.max(0, ...sizes.keys());
  let fd: number | undefined;

  const remove = (segment: number): void => {
    rmSync(segmentPath(dir, name, segment), { force: true });
    sizes.delete(segment);
  };
  const rotate = (): number => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
    current += 1;
    return current;
  };
  const total = (): number => [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const openSegment = (): number => {
    const opened = openSync(segmentPath(dir, name, current), 'ax', 0o600);
    sizes.set(current, 0);
    for (const old of sizes.keys()) if (maxBytes !== undefined && old < current && total() > maxBytes) remove(old);
    return opened;
  };
  rotate();

  return {
    append(payload) {
      if ((sizes.get(current) ?? 0) >= segmentBytes) rotate();
      fd ??= openSegment();
      const record = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
      record.writeUInt32LE(payload.length, 0);
      record.writeUInt32LE(crc32(payload), 4);
      record.set(payload, HEADER_BYTES);
      let written = 0;
      try {
        while (written < record.length) written += writeSync(fd, record, written);
      } catch (error) {
        // What was written of the record would hide all behind it: the next record goes into a new segment.
        rotate();
        throw error;
      }
      sizes.set(current, (sizes.get(current) ?? 0) + record.length);
    },
    rotate,
    dropBefore(segment) {
      for (const old of sizes.keys()) if (old < segment) remove(old);
    },
    bytes: total,
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}
