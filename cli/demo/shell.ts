/** Command lines as a person types them: shown, run by bash in one folder, timed, what they print shown too. */
import { spawn } from 'node:child_process';
import { Failure } from '#common';

export interface ShellOptions {
  readonly folder: string;
  readonly say: (line: string) => void;
}

export interface LineOptions {
  /** Not shown: the waiting between two lines of the tour. */
  readonly quietly?: boolean;
  readonly timeoutMs?: number;
}

const timeoutMs = 180_000;
const outputBytesMax = 1024 * 1024;

export class Shell {
  private readonly options: ShellOptions;
  /** What every line finds in its environment, beside this process's own. */
  readonly variables: Record<string, string> = {};

  constructor(options: ShellOptions) {
    this.options = options;
  }

  /** Runs it to its end and returns what it printed; fails unless it exits 0. */
  async line(text: string, options: LineOptions = {}): Promise<string> {
    const { say } = this.options;
    if (options.quietly !== true) say(`\n$ ${text}`);
    const startedMs = performance.now();
    const { code, out, err } = await this.run(text, options.timeoutMs ?? timeoutMs);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    if (code !== 0)
      throw new Failure('unreachable', 'demo-command-failed', `${text}: ${err.trim() || out}`);
    const printed = out.trim();
    if (options.quietly !== true) say(`${printed === '' ? '' : `${printed}\n`}(${seconds} s)`);
    return printed;
  }

  /** Runs it again until it succeeds. */
  async until(text: string, withinMs: number): Promise<string> {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      try {
        return await this.line(text, { quietly: true, timeoutMs: 15_000 });
      } catch (error) {
        if (performance.now() > untilMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  private run(
    text: string,
    limitMs: number,
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn('bash', ['-c', text], {
        cwd: this.options.folder,
        env: { ...process.env, ...this.variables },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: limitMs,
      });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => {
        out = (out + chunk.toString('utf8')).slice(-outputBytesMax);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        err = (err + chunk.toString('utf8')).slice(-outputBytesMax);
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? -1, out, err }));
    });
  }
}
