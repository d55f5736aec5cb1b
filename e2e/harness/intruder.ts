/** Somebody with one honest identity of the mesh, who tries for more: by hand, with none of the mesh's own clients. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '@weft/contracts/full/istio/v1/auth/ca';

export interface Credentials {
  readonly key: string;
  readonly cert: string;
}

export interface Joined extends Disposable {
  readonly rootsPem: string;
  token(): Promise<string>;
}

/** Registers a workload as `weft run` does, by the supervisor's socket; it stays until disposed. */
export async function joinMesh(state: string, name: string): Promise<Joined> {
  const socketPath = join(state, 'run/supervisor.sock');
  const call = (path: string, body: unknown): Promise<[ClientRequest, IncomingMessage]> => {
    const outgoing = request({ socketPath, path, method: 'POST', headers: { host: 'localhost' } });
    outgoing.on('error', () => {});
    outgoing.end(JSON.stringify(body));
    return once(outgoing, 'response').then(([response]) => [outgoing, response as IncomingMessage]);
  };
  const spec = { name, namespace: 'default', kind: 'sidecar', serviceAccount: name, labels: { app: name }, ports: [] };
  const [open, response] = await call('/v1/workloads', spec);
  const [line] = (await once(response.setEncoding('utf8'), 'data')) as [string];
  const { rootCaPem } = JSON.parse(line) as { rootCaPem: string };
  return {
    rootsPem: rootCaPem,
    async token() {
      const [, answer] = await call(`/v1/workloads/default/${name}/token`, {});
      let text = '';
      for await (const chunk of answer.setEncoding('utf8')) text += chunk as string;
      return (JSON.parse(text) as { token: string }).token;
    },
    [Symbol.dispose]: () => void open.destroy(),
  };
}

/** A key, and a signing request by openssl that asks for these URI names. */
export function signingRequest(uris: readonly string[]): { readonly key: string; readonly csr: string } {
  return inFolder((file) => {
    const names = uris.map((uri) => `URI:${uri}`).join(',');
    openssl(
      'req',
      '-new',
      ...NEW_KEY,
      '-keyout',
      file('key'),
      '-out',
      file('csr'),
      '-subj',
      '/O=x',
      '-addext',
      `subjectAltName=${names}`,
    );
    return { key: readFileSync(file('key'), 'utf8'), csr: readFileSync(file('csr'), 'utf8') };
  });
}

/** A certificate that a workload signs with its own leaf, as if that were an authority; its chain leads to the mesh's root. */
export function signedByLeaf(leaf: Credentials, uri: string): Credentials {
  return inFolder((file) => {
    writeFileSync(file('ca'), leaf.cert);
    writeFileSync(file('cakey'), leaf.key);
    writeFileSync(
      file('ext'),
      `subjectAltName=URI:${uri}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n`,
    );
    openssl('req', '-new', ...NEW_KEY, '-keyout', file('key'), '-out', file('csr'), '-subj', '/O=x');
    openssl(
      'x509',
      '-req',
      '-in',
      file('csr'),
      '-CA',
      file('ca'),
      '-CAkey',
      file('cakey'),
      '-set_serial',
      '7',
      '-days',
      '1',
      '-extfile',
      file('ext'),
      '-out',
      file('crt'),
    );
    return { key: readFileSync(file('key'), 'utf8'), cert: readFileSync(file('crt'), 'utf8') + leaf.cert };
  });
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });

function inFolder<T>(work: (file: (name: string) => string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'weft-intruder-'));
  try {
    return work((name) => join(dir, name));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export interface GrpcAnswer {
  /** The gRPC status, or what went wrong before there was one. */
  readonly status: string;
  readonly message: string;
  readonly body: Buffer;
}

export interface GrpcCall {
  readonly port: number;
  readonly path: string;
  readonly rootsPem: string;
  readonly body: Uint8Array;
  readonly client?: Credentials | undefined;
  readonly token?: string | undefined;
  /** The call goes on after the first message. */
  readonly streaming?: boolean;
}

const PATIENCE_MS = 3_000;

/** One message over a connection of its own; ends with the status, or while `streaming` with the first answer. */
export function grpc({ port, path, rootsPem, body, client, token, streaming = false }: GrpcCall): Promise<GrpcAnswer> {
  return new Promise((resolve) => {
    const session = connect(`https://127.0.0.1:${port}`, {
      ca: rootsPem,
      ...client,
      checkServerIdentity: () => undefined,
    });
    let status = '';
    let message = '';
    const chunks: Buffer[] = [];
    const done = (failure = ''): void => {
      clearTimeout(timer);
      session.destroy();
      resolve({ status: status === '' ? failure : status, message, body: Buffer.concat(chunks).subarray(5) });
    };
    const timer = setTimeout(() => done('silent'), PATIENCE_MS);
    session.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    });
    const learn = (headers: IncomingHttpHeaders): void => {
      const text = (name: string): string => String(headers[name] ?? '');
      status = text('grpc-status') || status;
      message = decodeURIComponent(text('grpc-message')) || message;
    };
    stream.on('response', learn);
    stream.on('trailers', learn);
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (streaming) done('answered');
    });
    stream.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    stream.on('close', () => done('closed'));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(body.length, 1);
    stream.write(Buffer.concat([prefix, body]));
    if (!streaming) stream.end();
  });
}

export interface CertificateAnswer {
  readonly status: string;
  readonly chain: readonly string[];
}

/** Asks the authority for a certificate. */
export async function certificate(
  call: Pick<GrpcCall, 'port' | 'rootsPem' | 'client' | 'token'> & { readonly csr: string; readonly days?: number },
): Promise<CertificateAnswer> {
  const body = toBinary(
    IstioCertificateRequestSchema,
    create(IstioCertificateRequestSchema, { csr: call.csr, validityDuration: BigInt((call.days ?? 0) * 86_400) }),
  );
  const answer = await grpc({ ...call, path: '/istio.v1.auth.IstioCertificateService/CreateCertificate', body });
  const chain = answer.status === '0' ? fromBinary(IstioCertificateResponseSchema, answer.body).certChain : [];
  return { status: answer.status, chain };
}
