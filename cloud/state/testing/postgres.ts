/** A private PostgreSQL for tests: its own folder, a unix socket, an unprivileged user; gone with the process that asked for it. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const programs = '/usr/lib/postgresql';

export class TestPostgres {
  readonly folder: string;
  private readonly identity: { uid: number; gid: number } | undefined;
  private databases = 0;

  private constructor(folder: string, identity: { uid: number; gid: number } | undefined) {
    this.folder = folder;
    this.identity = identity;
  }

  static start(): TestPostgres {
    const folder = fs.mkdtempSync(join(tmpdir(), 'pileus-postgres-'));
    // PostgreSQL refuses to run as root.
    const identity = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : undefined;
    if (identity !== undefined) fs.chownSync(folder, identity.uid, identity.gid);
    const server = new TestPostgres(folder, identity);
    process.once('exit', () => server.remove());
    server.run('initdb', ['-D', join(folder, 'data'), '-A', 'trust', '-U', 'pileus', '--no-sync']);
    server.up();
    return server;
  }

  up(): void {
    // Without fsync a crash of the server loses nothing, only one of the machine.
    const options = `-k ${this.folder} -c listen_addresses= -c fsync=off -c shared_buffers=16MB -c max_connections=60`;
    const log = join(this.folder, 'log');
    this.run('pg_ctl', ['-D', join(this.folder, 'data'), '-l', log, '-o', options, '-w', 'start']);
  }

  /** At once, as a crash would. */
  down(): void {
    this.run('pg_ctl', ['-D', join(this.folder, 'data'), '-m', 'immediate', '-w', 'stop']);
  }

  /** The address of an empty database. */
  database(): string {
    const name = `test${this.databases++}`;
    this.run('createdb', ['-h', this.folder, '-U', 'pileus', name]);
    return `postgresql://pileus@localhost/${name}?host=${encodeURIComponent(this.folder)}`;
  }

  remove(): void {
    const pid = join(this.folder, 'data/postmaster.pid');
    if (fs.existsSync(pid))
      process.kill(Number(fs.readFileSync(pid, 'utf8').split('\n')[0]), 'SIGQUIT');
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  private run(program: string, args: readonly string[]): void {
    const path = join(programs, newest(), 'bin', program);
    const ran: SpawnSyncReturns<string> = spawnSync(path, args, {
      cwd: this.folder,
      encoding: 'utf8',
      // Not pipes: the server inherits them and would keep them open.
      stdio: ['ignore', 'ignore', 'ignore'],
      ...this.identity,
    });
    if (ran.status !== 0) throw new Error(`${program} failed (${ran.status}): see ${this.folder}`);
  }
}

function newest(): string {
  const versions = fs.existsSync(programs) ? fs.readdirSync(programs).sort() : [];
  const version = versions.at(-1);
  if (version === undefined)
    throw new Error('PostgreSQL is missing: apt-get install -y postgresql');
  return version;
}

function idOf(flag: '-u' | '-g'): number {
  return Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim());
}
