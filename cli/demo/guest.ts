/** A guest under QEMU with its serial console in our hands. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Failure } from '#common';

export interface GuestOptions {
  /** NBD URIs of its disks, in order; the first is the root disk. */
  readonly disks: readonly string[];
  readonly memoryMiB: number;
  /** Everything the guest prints, as it comes. */
  readonly onOutput: (text: string) => void;
}

const consoleBytesMax = 1024 * 1024;

export function qemuArguments(options: GuestOptions): string[] {
  // Emulation: it works everywhere. A hypervisor driver that probes for better is a part of the compute service.
  const args = [
    '-accel',
    'tcg',
    '-m',
    String(options.memoryMiB),
    '-nographic',
    '-no-reboot',
    '-nic',
    'user,model=virtio',
  ];
  for (const [at, uri] of options.disks.entries()) {
    args.push(
      '-drive',
      `file=${uri},format=raw,if=virtio,id=disk${at},cache=writeback,discard=unmap`,
    );
  }
  return args;
}

export class Guest {
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private text = '';
  private waiting: (() => void) | undefined;
  private over = false;

  constructor(options: GuestOptions) {
    this.child = spawn('qemu-system-x86_64', qemuArguments(options), {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const take = (chunk: Buffer) => {
      const said = chunk.toString('latin1');
      this.text = (this.text + said).slice(-consoleBytesMax);
      options.onOutput(said);
      this.waiting?.();
    };
    this.child.stdout?.on('data', take);
    this.child.stderr?.on('data', take);
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.over = true;
        this.waiting?.();
        resolve();
      };
      this.child.on('close', end);
      this.child.on('error', end);
    });
  }

  /** Waits until the console shows `pattern`, and forgets everything up to its end. */
  async expect(pattern: RegExp, withinMs: number): Promise<string> {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) {
        this.text = this.text.slice(match.index + match[0].length);
        return match[0];
      }
      if (this.over) throw this.failure('guest-ended', 'The guest ended', pattern);
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0)
        throw this.failure('guest-silent', 'The guest did not say what was expected', pattern);
      await this.change(leftMs);
    }
  }

  private change(leftMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, leftMs);
      this.waiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private failure(code: string, message: string, pattern: RegExp): Failure {
    return new Failure(
      'unreachable',
      code,
      `${message}; its last words:\n${this.text.slice(-1500)}`,
      { facts: { expected: pattern.source } },
    );
  }

  type(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** Runs a command at the shell and waits until it is done; fails unless it exits 0. */
  async shell(command: string, withinMs = 60_000): Promise<void> {
    // The echo of the typed line holds $? unexpanded, so only the answer matches.
    this.type(`${command}; echo "exit-code=$?"`);
    const answer = await this.expect(/exit-code=\d+/, withinMs);
    if (answer !== 'exit-code=0')
      throw this.failure('guest-command-failed', `In the guest, ${command} failed`, /exit-code=0/);
  }

  /** Waits for the guest to power itself off. */
  async off(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.kill(), withinMs);
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
