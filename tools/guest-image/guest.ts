/** A guest under emulation and its serial console, for tests and tours that drive one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** Generous, because a loaded machine emulates slowly; nothing here asserts how long a boot takes. */
export const BOOT_MS = 120_000;
export const COMMAND_MS = 30_000;

/** One guest: its process, and everything its serial console has printed. */
export class Guest {
  #console = '';
  #readTo = 0;
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(args: readonly string[]) {
    const fixed = [
      '-accel',
      'tcg',
      '-m',
      '256',
      '-display',
      'none',
      '-serial',
      'stdio',
      '-no-reboot',
    ];
    this.#process = spawn('qemu-system-x86_64', [...fixed, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#process.stdout?.on('data', (bytes: Buffer) => {
      this.#console += bytes.toString('latin1');
    });
    this.#ended = new Promise((resolve) => this.#process.once('exit', resolve));
  }

  /** Waits for text anywhere on this boot's console: lines of the boot, the login prompt and user-data mix freely. */
  async saw(pattern: RegExp, timeoutMs: number): Promise<string> {
    return (await this.#find(pattern, 0, timeoutMs))[0];
  }

  /** Waits for text after everything answered before, and returns its match. */
  async #answer(pattern: RegExp): Promise<RegExpExecArray> {
    const found = await this.#find(pattern, this.#readTo, COMMAND_MS);
    this.#readTo += found.index + found[0].length;
    return found;
  }

  async #find(pattern: RegExp, from: number, timeoutMs: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline && this.#process.exitCode === null) {
      const found = pattern.exec(this.#console.slice(from));
      if (found) return found;
      await sleep(50);
    }
    throw new Error(`the console never said ${pattern}; it said:\n${this.#console}`);
  }

  async login(): Promise<void> {
    await this.#answer(/login: /);
    this.#process.stdin?.write('root\n');
    await this.#answer(/root@[^:]+:~# /);
  }

  /** Runs a shell command on the serial console and returns what it printed. */
  async shell(command: string): Promise<string> {
    // The marker is split in what is typed, so that the echo of the typed line is not taken for the answer.
    this.#process.stdin?.write(`echo BEG''IN; ${command}; echo "EN""D $?"\n`);
    const [, output, status] = await this.#answer(/BEGIN\r\n(.*?)END (\d+)\r\n/s);
    if (status !== '0') throw new Error(`${command}: status ${status}: ${output}`);
    return (output ?? '').replaceAll('\r', '').trim();
  }

  async poweroff(): Promise<number | null> {
    this.#process.stdin?.write('poweroff\n');
    return await this.#ended;
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode === null) this.#process.kill('SIGKILL');
    await this.#ended;
  }
}
