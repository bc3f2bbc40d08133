/** A real cloud for tests: started by the launcher as a person would, on a folder and ports of its own. */
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');
export const launcher = join(root, 'pileus');

export interface CloudInfo {
  readonly endpoints: Record<
    | 'api'
    | 's3'
    | 'swift'
    | 'swift_auth_v1'
    | 'identity'
    | 'image'
    | 'volume'
    | 'nbd'
    | 'metrics'
    | 'health',
    string
  >;
  readonly admin: { username: string; password: string; project: string; domain: string };
  readonly s3: { access_key: string; secret_key: string };
  readonly pid: number;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly input?: string | Buffer;
  readonly timeoutMs?: number;
}

// Clients talk to this machine only: a certificate bundle or proxy of the surroundings is not for them.
const foreign = /^(AWS_|OS_|ST_|RCLONE_|.*_proxy$|.*_PROXY$)/;
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !foreign.test(name)),
);

const children = new Set<number>();
/** Clouds that a failed test did not stop: nothing of a test run may outlive it. */
const clouds = new Set<TestCloud>();
process.on('exit', () => {
  for (const pid of children) killGroup(pid);
  for (const cloud of clouds) {
    if (alive(cloud.info.pid)) cloud.killNine();
    fs.rmSync(join(cloud.data, '..'), { recursive: true, force: true });
  }
});

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // Gone already: that is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Runs a program to its end, in a process group of its own; never throws for its exit code. */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...environment, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const pid = child.pid;
    if (pid !== undefined) children.add(pid);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const limit = setTimeout(() => {
      if (pid !== undefined) killGroup(pid);
    }, options.timeoutMs ?? 300_000);
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => child.stdin.destroy());
    child.stdin.end(options.input);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(limit);
      if (pid !== undefined) children.delete(pid);
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
  });
}

/** The same, failing loudly unless it exits 0; returns standard output. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const ran = await run(command, args, options);
  if (ran.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} exited ${ran.code}\n${ran.stdout.slice(-4000)}\n${ran.stderr.slice(-4000)}`,
    );
  }
  return ran.stdout;
}

export function pileus(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return run(launcher, args, options);
}

/**
 * A port base whose ports are free now: found by asking for one and looking at those behind it. Below the ports that the system gives to
 * whoever connects (from 32,768 on), or a client of another test could take one between the look and the start.
 */
export async function freePortBase(): Promise<number> {
  const [first, end, step] = [20_000, 32_700, 20];
  const places = (end - first) / step;
  for (let tried = 0; tried < places; tried++) {
    const base = first + ((process.pid + tried) % places) * step;
    if (await allFree(base)) return base;
  }
  throw new Error('no free ports');
}

async function allFree(base: number): Promise<boolean> {
  for (let port = base; port < base + 16; port++) {
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (!free) return false;
  }
  return true;
}

export function scratchFolder(name: string): string {
  return fs.mkdtempSync(join(tmpdir(), `pileus-${name}-`));
}

/** Building and registering the guest image is work that tests of other things should not wait beside. */
const withoutGuest = 'image:\n  guest: false\n';

export class TestCloud {
  readonly data: string;
  readonly portBase: number;
  info: CloudInfo;

  private constructor(data: string, portBase: number, info: CloudInfo) {
    this.data = data;
    this.portBase = portBase;
    this.info = info;
  }

  static async start(name: string, settings?: string): Promise<TestCloud> {
    const data = join(scratchFolder(name), 'data');
    const portBase = await freePortBase();
    fs.mkdirSync(data, { recursive: true });
    fs.writeFileSync(join(data, 'settings.yaml'), settings ?? withoutGuest);
    const info = await up(data, ['--port-base', String(portBase)]);
    const cloud = new TestCloud(data, portBase, info);
    clouds.add(cloud);
    return cloud;
  }

  /** Starts again on the same data after `down` or `killNine`. */
  async restart(): Promise<CloudInfo> {
    this.info = await up(this.data, []);
    return this.info;
  }

  /** What a power cut does to the process. */
  killNine(): void {
    process.kill(this.info.pid, 'SIGKILL');
    while (alive(this.info.pid)) spawnSync('sleep', ['0.01']);
  }

  async down(): Promise<void> {
    await runOk(launcher, ['down', '--data', this.data]);
  }

  /** Stops it and removes its data. */
  async remove(): Promise<void> {
    await this.down();
    clouds.delete(this);
    fs.rmSync(join(this.data, '..'), { recursive: true, force: true });
  }

  pileus(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return runOk(launcher, [...args, '--data', this.data], options);
  }

  /** Environment for the `swift` client by TempAuth v1. */
  swiftEnv(): Record<string, string> {
    const { admin, endpoints } = this.info;
    return {
      ST_AUTH: endpoints.swift_auth_v1,
      ST_USER: `${admin.project}:${admin.username}`,
      ST_KEY: admin.password,
    };
  }

  /** Environment for aws cli, boto3 and the like. */
  s3Env(): Record<string, string> {
    return {
      AWS_ACCESS_KEY_ID: this.info.s3.access_key,
      AWS_SECRET_ACCESS_KEY: this.info.s3.secret_key,
      AWS_DEFAULT_REGION: 'RegionOne',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    };
  }

  /** Environment for rclone with two remotes, `s3:` and `swift:`. */
  rcloneEnv(): Record<string, string> {
    const { endpoints, s3, admin } = this.info;
    return {
      RCLONE_CONFIG: '/dev/null',
      RCLONE_CONFIG_S3_TYPE: 's3',
      RCLONE_CONFIG_S3_PROVIDER: 'Other',
      RCLONE_CONFIG_S3_ENDPOINT: endpoints.s3,
      RCLONE_CONFIG_S3_ACCESS_KEY_ID: s3.access_key,
      RCLONE_CONFIG_S3_SECRET_ACCESS_KEY: s3.secret_key,
      RCLONE_CONFIG_SWIFT_TYPE: 'swift',
      RCLONE_CONFIG_SWIFT_AUTH: endpoints.swift_auth_v1,
      RCLONE_CONFIG_SWIFT_USER: `${admin.project}:${admin.username}`,
      RCLONE_CONFIG_SWIFT_KEY: admin.password,
      RCLONE_CONFIG_SWIFT_AUTH_VERSION: '1',
    };
  }

  /** A TempAuth session, for plain HTTP. */
  async session(): Promise<{ url: string; token: string }> {
    const { admin, endpoints } = this.info;
    const headers = {
      'x-auth-user': `${admin.project}:${admin.username}`,
      'x-auth-key': admin.password,
    };
    const response = await fetch(endpoints.swift_auth_v1, { headers });
    const url = response.headers.get('x-storage-url');
    const token = response.headers.get('x-auth-token');
    if (url === null || token === null)
      throw new Error(`no session: ${response.status} ${await response.text()}`);
    return { url, token };
  }
}

function alive(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      (error.code === 'ENOENT' || error.code === 'ESRCH')
    )
      return false;
    throw error;
  }
}

async function up(data: string, args: readonly string[]): Promise<CloudInfo> {
  const printed = await runOk(launcher, ['up', '--data', data, '--json', ...args], {
    timeoutMs: 180_000,
  });
  return JSON.parse(printed) as CloudInfo;
}
