// Generates protobuf types into gen/: `full` (all of what the control plane needs) and `lean` (only the messages and
// fields that the proxy reads, by proto/lean.json, with the same names and numbers). Sources: the Envoy protos inside
// @grpc/grpc-js-xds and our own proto/. Nothing of gen/ is committed.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { prune, stripCustomOptions } from './prune.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

const deps = join(dirname(require.resolve('@grpc/grpc-js-xds/package.json')), 'deps');
const importRoots = [
  join(root, 'proto'),
  join(deps, 'envoy-api'),
  join(deps, 'xds'),
  join(deps, 'protoc-gen-validate'),
  join(deps, 'googleapis'),
];
const out = join(root, 'gen.tmp');
rmSync(out, { recursive: true, force: true });
const source = join(out, 'src');

/** Copies a file and, recursively, what it imports (google/protobuf comes with the compiler). */
const copied = new Set();
function copyClosure(path) {
  if (copied.has(path) || path.startsWith('google/protobuf/')) return;
  copied.add(path);
  const from = importRoots.map((dir) => join(dir, path)).find((file) => existsSync(file));
  if (!from) throw new Error(`proto file ${path} was not found in ${importRoots.join(', ')}`);
  const target = join(source, path);
  mkdirSync(dirname(target), { recursive: true });
  let text = readFileSync(from, 'utf8');
  if (path === 'validate/validate.proto' && !text.includes('ignore_empty = 26')) {
    // The copy in the dependency is older than the Envoy files beside it, which use this option.
    text = text.replace(/message StringRules \{/, 'message StringRules {\n  optional bool ignore_empty = 26;');
  }
  writeFileSync(target, text);
  for (const match of text.matchAll(/^import\s+(?:public\s+|weak\s+)?"([^"]+)";/gm)) copyClosure(match[1]);
}

function ownProtos(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return ownProtos(path);
    return entry.name.endsWith('.proto') ? [relative(join(root, 'proto'), path).replaceAll('\\', '/')] : [];
  });
}

const { full } = JSON.parse(readFileSync(join(root, 'proto/roots.json'), 'utf8'));
const lean = JSON.parse(readFileSync(join(root, 'proto/lean.json'), 'utf8'));
for (const file of [...full, ...ownProtos(join(root, 'proto'))]) copyClosure(file);
writeFileSync(join(source, 'buf.yaml'), 'version: v2\n');

const bufBin = resolveBuf();
execFileSync(bufBin, ['build', '-o', join(out, 'image.binpb'), '--as-file-descriptor-set'], {
  cwd: source,
  stdio: 'inherit',
});
const image = stripCustomOptions(fromBinary(FileDescriptorSetSchema, readFileSync(join(out, 'image.binpb'))));
emit('full', image);
emit('lean', prune(image, lean));
rmSync(source, { recursive: true });
rmSync(join(out, 'image.binpb'));
rmSync(join(root, 'gen'), { recursive: true, force: true });
renameSync(out, join(root, 'gen'));

/** The platform package's program: the install script that would link it is not allowed to run. */
function resolveBuf() {
  const base = dirname(require.resolve('@bufbuild/buf/package.json'));
  const name = `@bufbuild/buf-${process.platform}-${process.arch}`;
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const path = createRequire(join(base, 'package.json')).resolve(`${name}/bin/buf${suffix}`);
  return path;
}

function emit(name, set) {
  const plugin = join(dirname(require.resolve('@bufbuild/protoc-gen-es/package.json')), 'bin/protoc-gen-es');
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: set.file.map((file) => file.name).filter((file) => !file.startsWith('google/protobuf/')),
    parameter: 'target=js+dts,import_extension=js',
    protoFile: set.file,
  });
  const bytes = execFileSync(process.execPath, [plugin], {
    input: toBinary(CodeGeneratorRequestSchema, request),
    maxBuffer: 1 << 28,
  });
  const response = fromBinary(CodeGeneratorResponseSchema, bytes);
  if (response.error) throw new Error(response.error);
  for (const file of response.file) {
    const path = join(out, name, file.name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.content);
  }
  process.stdout.write(`${name}: ${response.file.length} files\n`);
}
