/**
 * The built console from a fixed list: what is not in the list when the server starts does not exist. A request never
 * names a path on disk, so there is nothing to traverse.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export interface StaticFile {
  readonly type: string;
  readonly etag: string;
  readonly body: Buffer;
  /** Present when it is worth it. */
  readonly gzipped: Buffer | undefined;
  /** The name holds a hash of the content. */
  readonly immutable: boolean;
}

export interface StaticFiles {
  /** @param path as received, before the `?`; nothing is decoded. */
  find(path: string): StaticFile | undefined;
  /** The console's own "there is no such page", for an address that could be one. */
  missing(path: string): StaticFile | undefined;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
};

/** First parts of the console's own addresses: each is answered with its page. */
const PAGES = new Set(['', 'overview', 'traffic', 'services', 'workloads', 'traces', 'logs', 'config', 'mesh', 'open']);
const PAGE_PATH = /^\/(?:[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*\/?)?$/;
const MAX_BYTES = 32 * 1024 * 1024;

const compress = promisify(gzip);

/** @throws when the folder has no index.html or is implausibly large. */
export async function loadStaticFiles(root: string): Promise<StaticFiles> {
  const files = new Map<string, StaticFile>();
  let total = 0;
  const walk = async (folder: string, prefix: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      // Links are neither files nor directories here, so nothing outside the folder gets in.
      if (entry.isDirectory()) await walk(join(folder, entry.name), `${prefix}${entry.name}/`);
      const type = TYPES[extname(entry.name)];
      if (!entry.isFile() || type === undefined) continue;
      const body = await readFile(join(folder, entry.name));
      total += body.length;
      if (total > MAX_BYTES)
        throw new RangeError(`${root} is larger than ${MAX_BYTES} bytes: is it the built console?`);
      files.set(`${prefix}${entry.name}`, await describe(type, body, prefix.startsWith('/assets/')));
    }
  };
  await walk(root, '/');
  const index = files.get('/index.html');
  if (!index) throw new RangeError(`${root} has no index.html: build the console first`);
  const couldBePage = (path: string): boolean => PAGE_PATH.test(path) && !/(?:^|\/)\.\.?(?:\/|$)/.test(path);
  return {
    find: (path) => files.get(path) ?? (couldBePage(path) && PAGES.has(path.split('/')[1] ?? '') ? index : undefined),
    missing: (path) => (couldBePage(path) && !path.startsWith('/api') ? index : undefined),
  };
}

async function describe(type: string, body: Buffer, immutable: boolean): Promise<StaticFile> {
  const gzipped = /text|javascript|svg|json/.test(type) ? await compress(body) : undefined;
  return {
    type,
    body,
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    gzipped: gzipped && gzipped.length < body.length ? gzipped : undefined,
    immutable,
  };
}
