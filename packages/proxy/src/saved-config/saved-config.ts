import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryResponseSchema } from '@weft/contracts/lean/envoy/service/discovery/v3/discovery';
import { XDS_TYPE } from '@weft/contracts';
import { type Clock, errorCode, errorMessage, type Logger, type Timer, writeFileAtomic } from '@weft/kit';
import { RESOURCE_TYPES } from '../discovery/decode.ts';
import type { ResourceBook } from '../discovery/resource-book.ts';
import type { ResourceType } from '../ports.ts';

export interface SavedResource {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
}

export interface SavedRead {
  readonly resources: Readonly<Record<ResourceType, readonly SavedResource[]>>;
  /** Epoch milliseconds; undefined when there was nothing to read. */
  readonly savedAt: number | undefined;
}

/** The last good configuration on disk: one file, so that its parts always belong together. */
export interface SavedConfig {
  /** Never fails: what can not be read is as if it were not there, and said. */
  load(): Promise<SavedRead>;
  /** Soon, once for many calls, and less often while they go on. */
  save(book: ResourceBook): void;
  /** Writes what is due, whatever its time. Settles when it is on disk, or can not be. */
  flush(): Promise<void>;
}

export interface SavedConfigDeps {
  /** undefined: nothing is saved. */
  readonly dir: string | undefined;
  /** What another node has saved is not read. */
  readonly nodeId: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const FILE = 'last-good.xds';
const SAVE_AFTER_MS = 200;
// Writing all of it takes the event loop's time: while endpoints come and go without end, it is done now and then.
const SAVE_EVERY_MS = 2_000;
const HASH_BYTES = 32;
const nothing = (): Record<ResourceType, SavedResource[]> => ({
  listener: [],
  route: [],
  cluster: [],
  endpoint: [],
  nameTable: [],
});
const NOTHING: SavedRead = { resources: nothing(), savedAt: undefined };

export function createSavedConfig({ dir, nodeId, clock, logger }: SavedConfigDeps): SavedConfig {
  if (dir === undefined)
    return { load: () => Promise.resolve(NOTHING), save: () => {}, flush: () => Promise.resolve() };
  const path = join(dir, FILE);
  let due: ResourceBook | undefined;
  let timer: Timer | undefined;
  let writing = Promise.resolve();
  let writtenMs = -SAVE_EVERY_MS;

  const writeDue = (): Promise<void> => {
    timer?.cancel();
    timer = undefined;
    const book = due;
    due = undefined;
    if (book === undefined) return writing;
    writtenMs = clock.now();
    writing = writing.then(async () => {
      try {
        await mkdir(dir, { recursive: true, mode: 0o700 });
        await writeFileAtomic(path, encodeSaved(book, nodeId, clock.now()));
      } catch (error) {
        logger.warn({ path, error: errorMessage(error) }, 'configuration can not be saved');
      }
    });
    return writing;
  };
  return {
    async load() {
      try {
        return decodeSaved(await readFile(path), nodeId);
      } catch (error) {
        if (errorCode(error) !== 'ENOENT')
          logger.warn({ path, error: errorMessage(error) }, 'saved configuration can not be used');
        return NOTHING;
      }
    },
    save(book) {
      due = book;
      timer ??= clock.after(Math.max(SAVE_AFTER_MS, writtenMs + SAVE_EVERY_MS - clock.now()), () => void writeDue());
    },
    flush: writeDue,
  };
}

/** SHA-256 of the rest, then one DeltaDiscoveryResponse per type, each behind its length (32 bits). */
export function encodeSaved({ held }: ResourceBook, nodeId: string, now: number): Uint8Array {
  const parts = RESOURCE_TYPES.flatMap((type) => {
    const message = create(DeltaDiscoveryResponseSchema, {
      typeUrl: XDS_TYPE[type],
      systemVersionInfo: nodeId,
      nonce: String(now),
      resources: [...held[type].values()].map(({ name, version, bytes }) => ({
        name,
        version,
        resource: { typeUrl: XDS_TYPE[type], value: bytes },
      })),
    });
    const bytes = toBinary(DeltaDiscoveryResponseSchema, message);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  const rest = Buffer.concat(parts);
  return Buffer.concat([createHash('sha256').update(rest).digest(), rest]);
}

/** @throws when the file was cut, changed, or is of another node. */
export function decodeSaved(file: Buffer, nodeId: string): SavedRead {
  const rest = file.subarray(HASH_BYTES);
  if (!createHash('sha256').update(rest).digest().equals(file.subarray(0, HASH_BYTES))) {
    throw new Error('its checksum is wrong');
  }
  const resources = nothing();
  let savedAt: number | undefined;
  for (let at = 0; at < rest.length;) {
    const end = at + 4 + rest.readUInt32BE(at);
    const message = fromBinary(DeltaDiscoveryResponseSchema, rest.subarray(at + 4, end));
    at = end;
    if (message.systemVersionInfo !== nodeId) throw new Error(`it is of node ${message.systemVersionInfo}`);
    savedAt = Number(message.nonce);
    const type = RESOURCE_TYPES.find((one) => XDS_TYPE[one] === message.typeUrl);
    if (type === undefined) continue;
    for (const { name, version, resource } of message.resources) {
      // A copy, so that one resource does not keep the whole file in memory.
      if (resource !== undefined) resources[type].push({ name, version, bytes: Uint8Array.from(resource.value) });
    }
  }
  return { resources, savedAt };
}
