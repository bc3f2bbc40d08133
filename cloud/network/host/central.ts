/** OVN's central part: both databases in one server, and northd between them. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#common';
import { run } from './commands.ts';
import { Daemon } from './daemon.ts';

export class Central {
  readonly daemons: readonly Daemon[];
  private readonly folder: string;

  constructor(folder: string, clock: Clock) {
    this.folder = folder;
    const control = (name: string) => `--unixctl=${join(folder, `${name}.ctl`)}`;
    const databases = [join(folder, 'nb.db'), join(folder, 'sb.db')];
    this.daemons = [
      new Daemon(
        {
          name: 'central',
          program: 'ovsdb-server',
          folder,
          args: [`--remote=punix:${this.socket}`, control('central'), ...databases],
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
            `--ovnsb-db=unix:${this.socket}`,
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
    return await ensureAll(this.daemons);
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
