/** A cloud whose roles are processes of their own: storage processes that can be killed and frozen one by one. */
import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CloudInfo, freePortBase, launcher, root, runOk, scratchFolder } from './cloud.ts';

export class SplitCloud {
  readonly folder: string;
  info: CloudInfo;
  private readonly processes = new Map<string, ChildProcess>();

  private constructor(folder: string, info: CloudInfo) {
    this.folder = folder;
    this.info = info;
  }

  /** `prepared` may change the settings files before anything starts. */
  static async start(
    name: string,
    nodes = 4,
    prepared: (folder: string) => void = () => undefined,
  ): Promise<SplitCloud> {
    const folder = join(scratchFolder(name), 'cluster');
    const portBase = await freePortBase();
    await runOk(launcher, [
      'prepare',
      folder,
      '--nodes',
      String(nodes),
      '--port-base',
      String(portBase),
    ]);
    prepared(folder);
    const cloud = new SplitCloud(folder, {} as CloudInfo);
    for (let node = 1; node <= nodes; node++)
      await cloud.startProcess(`storage-${node}`, ['storage']);
    await cloud.startProcess('front', ['proxy', 'controller', 'gateway']);
    cloud.info = await cloud.askInfo();
    return cloud;
  }

  get names(): string[] {
    return [...this.processes.keys()];
  }

  pidOf(name: string): number {
    return this.processes.get(name)?.pid ?? -1;
  }

  /** Starts a process and waits until it says that it is ready. */
  async startProcess(name: string, roles: readonly string[]): Promise<void> {
    const args = ['run', ...roles, '--config', join(this.folder, `${name}.yaml`)];
    const child = spawn(launcher, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.processes.set(name, child);
    process.once('exit', () => child.kill('SIGKILL'));
    let said = '';
    await new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer) => {
        said += chunk.toString();
        if (/ready/i.test(said)) resolve();
      };
      child.stdout?.on('data', take);
      child.stderr?.on('data', take);
      child.once('exit', (code) => reject(new Error(`${name} exited ${code}: ${said}`)));
    });
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.processes.get(name)?.kill(signal);
  }

  async session(): Promise<{ url: string; token: string }> {
    const { admin, endpoints } = this.info;
    const headers = {
      'x-auth-user': `${admin.project}:${admin.username}`,
      'x-auth-key': admin.password,
    };
    const answer = await fetch(endpoints.swift_auth_v1, { headers });
    return {
      url: answer.headers.get('x-storage-url') ?? '',
      token: answer.headers.get('x-auth-token') ?? '',
    };
  }

  async askInfo(name = 'front'): Promise<CloudInfo> {
    const status = JSON.parse(
      await runOk(launcher, ['up', '--json', '--data', join(this.folder, name)]),
    );
    return status as CloudInfo;
  }

  async remove(): Promise<void> {
    for (const child of this.processes.values()) {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
    }
    for (const child of this.processes.values()) {
      for (
        let waited = 0;
        child.exitCode === null && child.signalCode === null && waited < 20_000;
        waited += 50
      )
        await sleep(50);
      child.kill('SIGKILL');
    }
    fs.rmSync(join(this.folder, '..'), { recursive: true, force: true });
  }
}
