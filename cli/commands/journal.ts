/** `pileus events` and `pileus audit`: what happened in a running cloud. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { call } from '../control/client.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  integerArgument,
  jsonOption,
  print,
} from './options.ts';
import { renderTable } from './table.ts';

interface EventLine {
  readonly at: string;
  readonly type: string;
  readonly resource_id: string | null;
  readonly project_id: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
}

interface AuditLine {
  readonly at: string;
  readonly user_id: string | null;
  readonly project_id: string | null;
  readonly action: string;
  readonly path: string;
  readonly status: number;
  readonly address: string;
}

interface EventsOptions extends DataOptions {
  readonly type?: string;
  readonly after?: string;
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly limit: number;
}

const followMs = 500;

export function eventsCommand(): Command {
  return new Command('events')
    .description('print what changed, the oldest first; --follow waits for more')
    .option('--type <type>', 'a type, or its beginning with a dot at the end: image.')
    .option('--after <cursor>', 'only what came after this cursor')
    .option('--limit <n>', 'at most so many', integerArgument(1, 1_000), 100)
    .option('--follow', 'print what is yet to come')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async ({ data, json, follow, ...args }: EventsOptions) => {
      const folder = folderOf({ data });
      let { after } = args;
      if (follow === true && after === undefined)
        after = ((await call(folder, 'event-end')) as { cursor: string }).cursor;
      for (;;) {
        const wanted = after === undefined ? args : { ...args, after };
        const page = (await call(folder, 'event-list', wanted)) as {
          events: EventLine[];
          cursor: string;
        };
        for (const event of page.events)
          print(json === true ? JSON.stringify(event) : lineOf(event));
        after = page.cursor;
        if (follow !== true) return;
        if (page.events.length === 0) await sleep(followMs);
      }
    });
}

function lineOf(event: EventLine): string {
  const facts = Object.entries(event.payload).map(([name, value]) => `${name}=${value}`);
  return [event.at, event.type, event.resource_id ?? '-', event.project_id ?? '-', ...facts].join(
    '  ',
  );
}

interface AuditOptions extends DataOptions {
  readonly user?: string;
  readonly project?: string;
  readonly service?: string;
  readonly action?: string;
  readonly since?: string;
  readonly failed?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

export function auditCommand(): Command {
  return new Command('audit')
    .description('print who did what, when, from where, and what came of it; the newest first')
    .option('--user <id>', 'only this user')
    .option('--project <id>', 'only in this project')
    .option('--service <name>', 'only this service: identity, image …')
    .option('--action <rule>', 'only this action, such as identity:create_user')
    .option('--since <time>', 'only since then, such as 2026-01-31T12:00:00Z')
    .option('--failed', 'only what was refused or failed')
    .option('--limit <n>', 'at most so many', integerArgument(1, 1_000), 100)
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async ({ data, json, ...args }: AuditOptions) => {
      const found = (await call(folderOf({ data }), 'audit-list', args)) as AuditLine[];
      print(json === true ? found : renderAudit(found));
    });
}

function renderAudit(found: readonly AuditLine[]): string {
  return renderTable(
    ['when', 'user', 'project', 'action', 'path', 'status', 'from'],
    found.map((line) => [
      line.at,
      line.user_id ?? '-',
      line.project_id ?? '-',
      line.action,
      line.path,
      String(line.status),
      line.address,
    ]),
  );
}
