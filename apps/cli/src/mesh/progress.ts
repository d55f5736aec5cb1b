/** Progress on stderr: one line per step, so that logs and terminals read the same. */
import pc from 'picocolors';

export interface Progress {
  step(text: string): void;
  /** Something worth knowing that is not a step. */
  note(text: string): void;
  done(text: string): void;
}

export function createProgress(nowMs: () => number = () => performance.now()): Progress {
  const startMs = nowMs();
  const stamp = (): string => pc.dim(`${((nowMs() - startMs) / 1000).toFixed(1).padStart(5)}s`);
  const line = (mark: string, text: string): void => void process.stderr.write(`${stamp()} ${mark} ${text}\n`);
  return {
    step: (text) => line(pc.cyan('›'), text),
    note: (text) => line(pc.yellow('!'), text),
    done: (text) => line(pc.green('✓'), text),
  };
}
