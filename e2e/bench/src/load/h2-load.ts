/** Load over HTTP/2 by h2load (Debian: nghttp2-client), which counts requests and bytes. */
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface H2LoadShape {
  readonly connections: number;
  readonly streams: number;
  readonly responseBytes: number;
  /** Bytes of each request's body; 0 is a GET. */
  readonly requestBytes: number;
  /** A gRPC call instead: one message of so many bytes, answered by so many of the same size. */
  readonly grpc?: { readonly messageBytes: number; readonly answers: number };
}

export interface H2LoadOptions extends H2LoadShape {
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  /** How long, or how many: only then are all answers whole at the end, and their bytes are counted. */
  readonly until: { readonly seconds: number } | { readonly requests: number };
}

/** Why h2load can not run here, or undefined. */
export function whyNoH2Load(): string | undefined {
  try {
    execFileSync('h2load', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no h2load on PATH (Debian: apt install nghttp2-client)';
  }
}

const GIVE_UP_MS = 120_000;
const MESSAGE_HEAD_BYTES = 5;

/** Bytes of DATA that one whole answer has. */
export const answerBytes = ({ grpc, responseBytes }: H2LoadShape): number =>
  grpc === undefined ? responseBytes : grpc.answers * (MESSAGE_HEAD_BYTES + grpc.messageBytes);

/** A gRPC message: no compression, its length, its bytes. */
function grpcBody(bytes: number): Buffer {
  const body = Buffer.alloc(MESSAGE_HEAD_BYTES + bytes, 'y');
  body.writeUInt8(0, 0);
  body.writeUInt32BE(bytes, 1);
  return body;
}

/**
 * @param dir for a body's file. @param launcher argv that puts the program on its core; may be empty.
 * @returns requests that were answered. @throws when one was not, or not with the bytes that it should have been.
 */
export async function runH2Load(options: H2LoadOptions, dir: string, launcher: readonly string[]): Promise<number> {
  const { host, port, authority, connections, streams, until, responseBytes, requestBytes, grpc } = options;
  const argv = [
    ...launcher,
    'h2load',
    ...('seconds' in until ? ['-D', String(Math.max(1, Math.round(until.seconds)))] : ['-n', String(until.requests)]),
    '-c',
    String(connections),
    '-m',
    String(streams),
    '-H',
    `:authority: ${authority}`,
    ...bodyArgs(options, dir),
    `http://${host}:${port}${grpc === undefined ? `/${responseBytes}/${requestBytes}` : `/bench.Echo/${grpc.answers}`}`,
  ];
  const text = await run(argv, 'seconds' in until ? until.seconds * 1000 + GIVE_UP_MS : GIVE_UP_MS);
  // requests: 100 total, 100 started, 100 done, 100 succeeded, 0 failed, 0 errored, 0 timeout
  const requests = /requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(text);
  const codes = /status codes: (\d+) 2xx/.exec(text);
  const data = /\((\d+)\) data/.exec(text);
  if (!requests || !codes || !data) throw new Error(`h2load said nothing that can be read:\n${text}`);
  const [done, good, bytes] = [Number(requests[1]), Number(codes[1]), Number(data[1])];
  if (good < done) throw new Error(`${done - good} of ${done} requests failed`);
  if ('seconds' in until) return good;
  if (good !== until.requests) throw new Error(`${until.requests - good} of ${until.requests} requests failed`);
  const wanted = good * answerBytes(options);
  if (bytes !== wanted) throw new Error(`answers had ${bytes} bytes in all, not ${wanted}`);
  return good;
}

function bodyArgs({ requestBytes, grpc }: H2LoadShape, dir: string): string[] {
  const body = grpc === undefined ? Buffer.alloc(requestBytes, 'y') : grpcBody(grpc.messageBytes);
  if (body.length === 0) return [];
  const file = join(dir, 'body');
  writeFileSync(file, body);
  return ['-d', file, ...(grpc === undefined ? [] : ['-H', 'content-type: application/grpc', '-H', 'te: trailers'])];
}

function run(argv: readonly string[], giveUpMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = argv;
    execFile(program, args, { timeout: giveUpMs, killSignal: 'SIGKILL' }, (error, stdout) => {
      if (error) reject(new Error(`h2load: ${error.message}\n${stdout}`));
      else resolve(stdout);
    });
  });
}
