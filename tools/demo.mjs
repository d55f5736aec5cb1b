// `pnpm demo`: builds what changed, then becomes `weft demo`. Arguments go through: pnpm demo --traffic
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.stderr.write('› building (a first build takes about a minute, later ones are cached)\n');
const build = spawn(
  process.execPath,
  [
    fileURLToPath(new URL('../node_modules/turbo/bin/turbo', import.meta.url)),
    'run',
    'build',
    '--output-logs=errors-only',
    '--log-order=grouped',
  ],
  {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_PRINT_VERSION_DISABLED: '1' },
  },
);
const stop = (signal) => build.kill(signal);
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
process.on('SIGHUP', stop);
let output = '';
build.stdout.on('data', (chunk) => {
  output += chunk;
});
const code = await new Promise((resolve) => {
  build.on('error', (error) => {
    process.stderr.write(`error: the build could not be started: ${error.message}\n`);
    resolve(1);
  });
  build.on('exit', (exitCode, signal) => resolve(signal ? 130 : (exitCode ?? 1)));
});
process.off('SIGINT', stop);
process.off('SIGTERM', stop);
process.off('SIGHUP', stop);
if (code !== 0) {
  process.stderr.write(output);
  process.exit(code);
}
process.argv.splice(2, 0, 'demo');
await import('../apps/cli/dist/weft.js');
