/**
 * Ends applications when their supervisor can not: a shell that knows their process groups and reads a pipe whose other
 * end is the supervisor. When the pipe closes (also after kill -9), it ends the groups, then itself.
 */
import { spawn } from 'node:child_process';

export interface Reaper {
  add(processGroup: number): void;
  remove(processGroup: number): void;
  /** Forgets all and ends. */
  close(): void;
}

// Groups still listed when the pipe closes get SIGTERM, and SIGKILL after the grace.
const SCRIPT = `
trap '' INT HUP TERM
groups=
while read -r verb group; do
  case $verb in
    add) groups="$groups $group" ;;
    remove) left=; for g in $groups; do [ "$g" = "$group" ] || left="$left $g"; done; groups=$left ;;
    end) exit 0 ;;
  esac
done
for g in $groups; do kill -TERM "-$g" 2>/dev/null; done
for wait in 1 2 3 4 5 6 7 8 9 10; do
  alive=
  for g in $groups; do kill -0 "-$g" 2>/dev/null && alive=1; done
  [ -z "$alive" ] && exit 0
  sleep 0.3
done
for g in $groups; do kill -KILL "-$g" 2>/dev/null; done
`;

export function startReaper(): Reaper {
  // A session of its own: signals for the supervisor's group do not reach it.
  const child = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  const say = (line: string): void => {
    if (child.stdin.writable) child.stdin.write(`${line}\n`);
  };
  return {
    add: (group) => say(`add ${group}`),
    remove: (group) => say(`remove ${group}`),
    close() {
      say('end');
      child.stdin.end();
    },
  };
}
