/**
 * The feed of what changed. An event is written in the transaction of its change, so it is there exactly when the change is.
 *
 * Order: readers keep a cursor, so nothing may appear behind it later. On SQLite transactions follow one another and the
 * sequence does. On PostgreSQL a transaction may commit after one that took a later number; there events are ordered by
 * (transaction, number) and shown only once every earlier transaction has ended, which makes the order final.
 */
import { type Kysely, type RawBuilder, sql } from 'kysely';
import { type AnyTransaction, isPostgres, roomOf, type State } from '#cloud/state';
import { type Clock, Failure, type Random, randomUuid } from '#common';
import type { EventRow, JournalTables } from './migrations.ts';

export interface NewEvent {
  /** `image.upload.end`: service, what happened, and `start`, `end` or `error` where it takes time. */
  readonly type: string;
  readonly resource?: { readonly type: string; readonly id: string } | undefined;
  readonly projectId?: string | undefined;
  readonly userId?: string | undefined;
  readonly requestId?: string | undefined;
  /** What a follower needs to know; never a secret. */
  readonly payload?: Readonly<Record<string, unknown>>;
}

export interface CloudEvent extends NewEvent {
  readonly id: string;
  /** Where to go on reading behind this event. */
  readonly cursor: string;
  readonly atUs: number;
}

export interface EventFilter {
  /** Only those behind this cursor; from the oldest kept one without it. */
  readonly after?: string | undefined;
  readonly projectId?: string | undefined;
  /** A type, or its beginning with a dot at the end: `image.`. */
  readonly type?: string | undefined;
  readonly resourceId?: string | undefined;
  readonly limit: number;
}

const payloadCharactersMax = 16_384;

export class Events {
  private readonly db: Kysely<JournalTables>;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly final: RawBuilder<boolean> | undefined;

  constructor(state: State, clock: Clock, random: Random) {
    this.db = state.db.$extendTables<JournalTables>();
    this.clock = clock;
    this.random = random;
    this.final = isPostgres(state.db)
      ? sql<boolean>`xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint`
      : undefined;
  }

  async emit(transaction: AnyTransaction, event: NewEvent): Promise<void> {
    const payload = JSON.stringify(event.payload ?? {});
    if (payload.length > payloadCharactersMax)
      throw new Failure('bug', 'event-too-large', 'An event says too much', {
        facts: { type: event.type },
      });
    await roomOf<{ event: Omit<EventRow, 'seq' | 'xid'> }>(transaction)
      .insertInto('event')
      .values({
        id: randomUuid(this.random),
        type: event.type,
        resource_type: event.resource?.type ?? null,
        resource_id: event.resource?.id ?? null,
        project_id: event.projectId ?? null,
        user_id: event.userId ?? null,
        request_id: event.requestId ?? null,
        at_us: this.clock.nowUs(),
        payload,
      })
      .execute();
  }

  async list(filter: EventFilter): Promise<CloudEvent[]> {
    let query = this.db.selectFrom('event').selectAll();
    if (this.final !== undefined) query = query.where(this.final);
    if (filter.after !== undefined) {
      const { xid, seq } = parseCursor(filter.after);
      query = query.where((where) =>
        where.or([
          where('xid', '>', xid),
          where.and([where('xid', '=', xid), where('seq', '>', seq)]),
        ]),
      );
    }
    if (filter.projectId !== undefined) query = query.where('project_id', '=', filter.projectId);
    if (filter.resourceId !== undefined) query = query.where('resource_id', '=', filter.resourceId);
    if (filter.type?.endsWith('.') === true)
      query = query.where(sql<boolean>`substr(type, 1, ${filter.type.length}) = ${filter.type}`);
    else if (filter.type !== undefined) query = query.where('type', '=', filter.type);
    const rows = await query.orderBy('xid').orderBy('seq').limit(filter.limit).execute();
    return rows.map(eventOf);
  }

  /** Where the feed ends now: reading behind it gives only what is yet to come. */
  async end(): Promise<string> {
    let query = this.db.selectFrom('event').select(['xid', 'seq']);
    if (this.final !== undefined) query = query.where(this.final);
    const last = await query.orderBy('xid', 'desc').orderBy('seq', 'desc').executeTakeFirst();
    return `${last?.xid ?? 0}.${last?.seq ?? 0}`;
  }
}

function parseCursor(text: string): { xid: number; seq: number } {
  const [, xid, seq] = /^(\d{1,15})\.(\d{1,15})$/.exec(text) ?? [];
  if (xid === undefined || seq === undefined)
    throw new Failure('invalid', 'bad-cursor', 'This is no cursor of the feed');
  return { xid: Number(xid), seq: Number(seq) };
}

function eventOf(row: EventRow): CloudEvent {
  return {
    id: row.id,
    cursor: `${row.xid}.${row.seq}`,
    type: row.type,
    atUs: row.at_us,
    resource:
      row.resource_type === null || row.resource_id === null
        ? undefined
        : { type: row.resource_type, id: row.resource_id },
    projectId: row.project_id ?? undefined,
    userId: row.user_id ?? undefined,
    requestId: row.request_id ?? undefined,
    payload: JSON.parse(row.payload) as Record<string, unknown>,
  };
}
