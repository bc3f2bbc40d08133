/** One long-lived `openstack` that is given commands one by one: its start costs more than all of them. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';

export class OpenStackShell {
  private readonly child: ChildProcessWithoutNullStreams;
  private output = '';
  private errors = '';
  private asked = 0;
  private wake: (() => void) | undefined;
  private ended = false;

  constructor(env: Record<string, string>) {
    this.child = spawn('openstack', [], { env: { PYTHONUNBUFFERED: '1', ...env } });
    this.child.stdout.on('data', (bytes) => this.heard(() => (this.output += bytes)));
    this.child.stderr.on('data', (bytes) => this.heard(() => (this.errors += bytes)));
    this.child.on('close', () => this.heard(() => (this.ended = true)));
  }

  /** What a command printed; throws what it complained of. */
  async run(command: string): Promise<string> {
    const { output, errors } = await this.tell(command);
    if (errors !== '') throw new Error(`openstack ${command}: ${errors}`);
    return output;
  }

  /** What a command complained of. */
  async fail(command: string): Promise<string> {
    const { output, errors } = await this.tell(command);
    if (errors === '') throw new Error(`openstack ${command} did not fail: ${output}`);
    return errors;
  }

  async json(command: string): Promise<unknown> {
    return JSON.parse(await this.run(`${command} -f json`));
  }

  async close(): Promise<void> {
    this.child.stdin.end();
    while (!this.ended) await this.more();
  }

  private async tell(command: string): Promise<{ output: string; errors: string }> {
    const mark = `@@${this.asked++}@@`;
    this.output = '';
    this.errors = '';
    this.child.stdin.write(`${command}\n!echo ${mark}\n`);
    while (!this.output.includes(mark)) {
      if (this.ended) throw new Error(`openstack ended: ${this.errors}`);
      await this.more();
    }
    const said = this.output.slice(0, this.output.indexOf(mark));
    // The prompt stands before what it is asked for.
    const output = said.replaceAll(/^\(openstack\) /gm, '').trim();
    return { output, errors: this.errors.trim() };
  }

  private heard(note: () => void): void {
    note();
    this.wake?.();
  }

  private more(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}
