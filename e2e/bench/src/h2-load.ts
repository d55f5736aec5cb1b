/** Load over HTTP/2 by h2load (Debian: nghttp2-client), which counts what failed. */
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface H2LoadShape {
  readonly connections: number;
  readonly streams: number;
  readonly responseBytes: number;
  /** A gRPC call whose one message has so many bytes, answered by itself. */
  readonly grpcMessageBytes?: number;
}

export interface H2LoadOptions extends H2LoadShape {
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  readonly durationMs: number;
}

export interface H2LoadResult {
  readonly requests: number;
  readonly failures: number;
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

/** A gRPC message: no compression, its length, its bytes. */
function grpcBody(bytes: number): Buffer {
  const body = Buffer.alloc(5 + bytes, 'y');
  body.writeUInt8(0, 0);
  body.writeUInt32BE(bytes, 1);
  return body;
}

/** @param dir for a body's file. @param launcher argv that puts the program on its core; may be empty. */
export function runH2Load(options: H2LoadOptions, dir: string, launcher: readonly string[]): Promise<H2LoadResult> {
  const { host, port, authority, connections, streams, durationMs, responseBytes, grpcMessageBytes } = options;
  const grpc: string[] = [];
  if (grpcMessageBytes !== undefined) {
    const file = join(dir, 'message');
    writeFileSync(file, grpcBody(grpcMessageBytes));
    grpc.push('-d', file, '-H', 'content-type: application/grpc', '-H', 'te: trailers');
  }
  const argv = [
    ...launcher,
    'h2load',
    '-D',
    String(Math.max(1, Math.round(durationMs / 1000))),
    '-c',
    String(connections),
    '-m',
    String(streams),
    '-H',
    `:authority: ${authority}`,
    ...grpc,
    `http://${host}:${port}/${responseBytes}`,
  ];
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = argv;
    execFile(program, args, { timeout: durationMs + 30_000, killSignal: 'SIGKILL' }, (error, stdout) => {
      if (error) return reject(new Error(`h2load: ${error.message}\n${stdout}`));
      // requests: 100 total, 100 started, 100 done, 100 succeeded, 0 failed, 0 errored, 0 timeout
      const requests = /requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(
        stdout,
      );
      const codes = /status codes: (\d+) 2xx/.exec(stdout);
      if (!requests || !codes) return reject(new Error(`h2load said nothing that can be read:\n${stdout}`));
      const done = Number(requests[1]);
      resolve({ requests: Number(codes[1]), failures: done - Number(codes[1]) });
    });
  });
}
