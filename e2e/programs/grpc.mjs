// A gRPC server that knows nothing of meshes. Messages are JSON, so that no code need be generated.
// { text, count, delayMs, status, failures, key } asks for: an echo · so many answers · a pause before the first · an end
// with this status · to fail so many calls of this key before one succeeds.
import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';

const { HOST = '127.0.0.1', PORT = '0', VERSION = 'v1', HEALTH = '1' } = process.env;
const method = (name, requestStream, responseStream) => ({
  path: `/weft.test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (value) => Buffer.from(JSON.stringify(value)),
  requestDeserialize: (bytes) => JSON.parse(bytes.toString()),
  responseSerialize: (value) => Buffer.from(JSON.stringify(value)),
  responseDeserialize: (bytes) => JSON.parse(bytes.toString()),
});
const attempts = new Map();
const trailing = () => {
  const metadata = new Metadata();
  metadata.set('x-end', 'yes');
  metadata.set('x-data-bin', Buffer.from([0, 255, 10, 13]));
  return metadata;
};

/** How a call that asks for trouble ends; undefined for the others. */
function failure({ status = 0, failures, key = '' }) {
  if (status === 0) return undefined;
  const attempt = (attempts.get(key) ?? 0) + 1;
  attempts.set(key, attempt);
  return failures !== undefined && attempt > failures
    ? undefined
    : { code: status, details: `asked for ${status} – ✓` };
}
const answer = (request, metadata, more = {}) => ({
  text: request.text,
  version: VERSION,
  attempt: attempts.get(request.key ?? '') ?? 1,
  metadata: metadata.getMap(),
  ...more,
});

const server = new Server();
server.addService(
  {
    unary: method('Unary', false, false),
    serverStream: method('ServerStream', false, true),
    clientStream: method('ClientStream', true, false),
    bidi: method('Bidi', true, true),
  },
  {
    unary(call, callback) {
      const { request } = call;
      const failed = failure(request);
      setTimeout(() => {
        if (failed !== undefined) return callback(failed);
        const initial = new Metadata();
        initial.set('x-begin', 'yes');
        call.sendMetadata(initial);
        callback(null, answer(request, call.metadata), trailing());
      }, request.delayMs ?? 0);
    },
    async serverStream(call) {
      const { request } = call;
      for (let i = 0; i < (request.count ?? 1); i += 1) {
        if (call.cancelled) return;
        if (!call.write({ ...answer(request, call.metadata), i }))
          await new Promise((next) => call.once('drain', next));
        if (request.delayMs !== undefined) await new Promise((next) => setTimeout(next, request.delayMs));
      }
      const failed = failure(request);
      if (failed === undefined) call.end(trailing());
      else call.emit('error', failed);
    },
    clientStream(call, callback) {
      const texts = [];
      call.on('data', (request) => texts.push(request.text));
      call.on('end', () => callback(null, { texts, version: VERSION }, trailing()));
    },
    bidi(call) {
      call.on('data', (request) => call.write({ text: `<${request.text}>`, version: VERSION }));
      call.on('end', () => call.end(trailing()));
    },
  },
);
// grpc.health.v1: both messages have one field, which is short enough to be written by hand. HEALTH is the status: 1 serving, 2 not.
server.addService(
  {
    check: {
      path: '/grpc.health.v1.Health/Check',
      requestStream: false,
      responseStream: false,
      requestSerialize: (value) => value,
      requestDeserialize: (bytes) => bytes.subarray(2).toString(),
      responseSerialize: (status) => Buffer.from([8, status]),
      responseDeserialize: (bytes) => bytes[1],
    },
  },
  { check: (call, callback) => callback(null, call.request === 'calls' ? Number(HEALTH) : 3) },
);
server.bindAsync(`${HOST}:${PORT}`, ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(`listening on ${port}`);
});
process.on('SIGTERM', () => server.forceShutdown() ?? process.exit(0));
