/**
 * The audit trail: who did what, when, from where, and what came of it. Requests do not wait for it: records are written in
 * groups, so a crash may lose those of the last moment (`auditFlushMs`). What the database cannot take goes to the log.
 */
import type { Kysely } from 'kysely';
import type { AuditRecord } from '#cloud/api';
import type { State } from '#cloud/state';
import { type Clock, isFailure, type Logger, type Random, randomUuid, type Timer } from '#common';
import type { AuditRow, JournalTables } from './migrations.ts';
import type { JournalSettings } from './settings.ts';

export type { AuditRecord };

export interface AuditFilter {
  readonly userId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly service?: string | undefined;
  readonly action?: string | undefined;
  readonly address?: string | undefined;
  readonly requestId?: string | undefined;
  readonly sinceUs?: number | undefined;
  readonly untilUs?: number | undefined;
  /** Only what failed (400 and above), or only what did not. */
  readonly failed?: boolean | undefined;
  /** Id of the last record of the page before. */
  readonly marker?: string | undefined;
  readonly limit: number;
}

export interface AuditOptions {
  readonly state: State;
  readonly settings: JournalSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Rows of one statement: SQLite takes 32,766 parameters at most. */
const groupMax = 500;

export class AuditTrail {
  private readonly options: AuditOptions;
  private readonly db: Kysely<JournalTables>;
  private waiting: AuditRow[] = [];
  private timer: Timer | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(options: AuditOptions) {
    this.options = options;
    this.db = options.state.db.$extendTables<JournalTables>();
  }

  record(record: AuditRecord): void {
    const { settings, clock, log } = this.options;
    if (this.waiting.length >= settings.auditWaitingMax) {
      log.warn(record, 'audit, not in the trail');
      return;
    }
    this.waiting.push(this.rowOf(record));
    this.timer ??= clock.after(settings.auditFlushMs, () => {
      this.timer = undefined;
      this.writing = this.writing.then(() => this.flush());
    });
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    this.timer?.cancel();
    await this.writing;
    await this.flush();
  }

  private async flush(): Promise<void> {
    while (this.waiting.length > 0) {
      const group = this.waiting.splice(0, groupMax);
      try {
        await this.db.insertInto('audit').values(group).execute();
      } catch (error) {
        this.options.log.error({ err: error, records: group.length }, 'audit could not be written');
        if (isFailure(error, 'closed')) return;
        for (const row of group) this.options.log.warn(row, 'audit, not in the trail');
      }
    }
  }

  private rowOf(record: AuditRecord): AuditRow {
    return {
      id: randomUuid(this.options.random),
      at_us: record.atUs,
      service: record.service,
      action: record.action,
      method: record.method,
      path: record.path.slice(0, 1024),
      status: record.status,
      user_id: record.userId ?? null,
      project_id: record.projectId ?? null,
      address: record.from,
      request_id: record.requestId,
      global_request_id: record.globalRequestId ?? null,
    };
  }

  /** The newest first. */
  async list(filter: AuditFilter): Promise<(AuditRecord & { readonly id: string })[]> {
    let query = this.db.selectFrom('audit').selectAll();
    const exact = {
      user_id: filter.userId,
      project_id: filter.projectId,
      service: filter.service,
      action: filter.action,
      address: filter.address,
      request_id: filter.requestId,
    } as const;
    for (const [column, value] of Object.entries(exact) as [keyof typeof exact, string?][])
      if (value !== undefined) query = query.where(column, '=', value);
    if (filter.sinceUs !== undefined) query = query.where('at_us', '>=', filter.sinceUs);
    if (filter.untilUs !== undefined) query = query.where('at_us', '<=', filter.untilUs);
    if (filter.failed !== undefined) query = query.where('status', filter.failed ? '>=' : '<', 400);
    if (filter.marker !== undefined) {
      const marker = await this.db
        .selectFrom('audit')
        .select(['at_us', 'id'])
        .where('id', '=', filter.marker)
        .executeTakeFirst();
      if (marker === undefined) return [];
      query = query.where((where) =>
        where.or([
          where('at_us', '<', marker.at_us),
          where.and([where('at_us', '=', marker.at_us), where('id', '<', marker.id)]),
        ]),
      );
    }
    const rows = await query
      .orderBy('at_us', 'desc')
      .orderBy('id', 'desc')
      .limit(filter.limit)
      .execute();
    return rows.map(recordOf);
  }
}

function recordOf(row: AuditRow): AuditRecord & { readonly id: string } {
  return {
    id: row.id,
    atUs: row.at_us,
    service: row.service,
    action: row.action,
    method: row.method,
    path: row.path,
    status: row.status,
    userId: row.user_id ?? undefined,
    projectId: row.project_id ?? undefined,
    from: row.address,
    requestId: row.request_id,
    globalRequestId: row.global_request_id ?? undefined,
  };
}
