/** OVN's central part: its two databases, each with a server, and northd between them. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Clock, Random } from '#common';
import { run } from './commands.ts';
import { Daemon } from './daemon.ts';
import { SouthAccess } from './south-access.ts';

export class Central {
  readonly daemons: readonly Daemon[];
  readonly access: SouthAccess;
  private readonly folder: string;

  constructor(folder: string, clock: Clock, random: Random) {
    this.folder = folder;
    this.access = new SouthAccess({ folder, socket: this.southSocket, clock, random });
    const control = (name: string) => `--unixctl=${join(folder, `${name}.ctl`)}`;
    this.daemons = [
      new Daemon(
        {
          name: 'central',
          program: 'ovsdb-server',
          folder,
          args: [`--remote=punix:${this.socket}`, control('central'), join(folder, 'nb.db')],
        },
        clock,
      ),
      new Daemon(
        {
          name: 'south',
          program: 'ovsdb-server',
          folder,
          args: [
            `--remote=punix:${this.southSocket}`,
            ...this.access.args,
            control('south'),
            join(folder, 'sb.db'),
          ],
        },
        clock,
      ),
      new Daemon(
        {
          name: 'northd',
          program: 'ovn-northd',
          folder,
          args: [
            `--ovnnb-db=unix:${this.socket}`,
            `--ovnsb-db=unix:${this.southSocket}`,
            control('northd'),
          ],
        },
        clock,
      ),
    ];
  }

  get socket(): string {
    return join(this.folder, 'ovn.sock');
  }

  /** Of the southbound database, which hosts follow. */
  get southSocket(): string {
    return join(this.folder, 'south.sock');
  }

  /** Returns the daemons that were not running. */
  async ensure(): Promise<string[]> {
    fs.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    for (const [file, schema] of [
      ['nb.db', 'ovn-nb.ovsschema'],
      ['sb.db', 'ovn-sb.ovsschema'],
    ] as const) {
      const database = join(this.folder, file);
      if (!fs.existsSync(database))
        await run('ovsdb-tool', ['create', database, `/usr/share/ovn/${schema}`]);
    }
    await this.access.prepare();
    await this.endJoint();
    return await ensureAll(this.daemons);
  }

  /** An earlier version had both databases in one server, which may still run for guests that lived on. */
  private async endJoint(): Promise<void> {
    const [north] = this.daemons;
    if (north?.pid === undefined) return;
    const line = fs.readFileSync(`/proc/${north.pid}/cmdline`, 'utf8');
    if (line.includes(join(this.folder, 'sb.db'))) await this.stop();
  }

  async stop(): Promise<void> {
    for (const daemon of [...this.daemons].reverse()) await daemon.stop();
  }
}

export async function ensureAll(daemons: readonly Daemon[]): Promise<string[]> {
  const started: string[] = [];
  for (const daemon of daemons)
    if ((await daemon.ensure()) === 'started') started.push(daemon.plan.name);
  return started;
}
