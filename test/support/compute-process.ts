/** A compute host in a process of its own, joined to a test's cloud. */
import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launcher, root, type TestCloud } from './cloud.ts';

const joinTriesMax = 200;

export class ComputeProcess {
  readonly name: string;
  private readonly cloud: TestCloud;
  private child: ChildProcess | undefined;

  private constructor(cloud: TestCloud, name: string) {
    this.cloud = cloud;
    this.name = name;
  }

  static async start(cloud: TestCloud, name: string): Promise<ComputeProcess> {
    await cloud.pileus(['host', 'add', name]);
    const host = new ComputeProcess(cloud, name);
    await host.again();
    return host;
  }

  get data(): string {
    return join(this.cloud.data, 'hosts', this.name, 'data');
  }

  get pid(): number {
    return Number(fs.readFileSync(join(this.data, 'run', 'pid'), 'utf8').split(' ')[0]);
  }

  /** Starts it, and waits until the controller has it. */
  async again(): Promise<void> {
    const config = join(this.cloud.data, 'hosts', this.name, 'compute.yaml');
    const child = spawn(launcher, ['run', 'compute', '--config', config], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child = child;
    await new Promise((resolve, reject) => {
      child.stdout?.once('data', resolve);
      child.once('exit', (code) => reject(new Error(`the compute host ended with ${code}`)));
    });
    await this.untilJoined(true);
  }

  private async untilJoined(wanted: boolean): Promise<void> {
    for (let tries = 0; tries < joinTriesMax; tries++) {
      if ((await this.isJoined()) === wanted) return;
      await sleep(300);
    }
    throw new Error(`${this.name} is ${wanted ? 'not' : 'still'} joined`);
  }

  private async isJoined(): Promise<boolean> {
    const hosts: unknown = JSON.parse(await this.cloud.pileus(['host', 'list', '--json']));
    return (hosts as { name: string; joined: boolean }[]).some(
      ({ name, joined }) => name === this.name && joined,
    );
  }

  /** Waits until the controller has noticed as well. */
  async killNine(): Promise<void> {
    process.kill(this.pid, 'SIGKILL');
    await this.ended();
    await this.untilJoined(false);
  }

  async stop(): Promise<void> {
    if (this.child?.exitCode === null && this.child.signalCode === null)
      process.kill(this.pid, 'SIGTERM');
    await this.ended();
  }

  private ended(): Promise<unknown> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return Promise.resolve();
    return new Promise((resolve) => child.once('exit', resolve));
  }
}
