/** Rows as the API shows them. */

import { type RawBuilder, sql } from 'kysely';
import type { ApiReply, Listing, ListingRules, Page } from '../../api/index.ts';
import { applyListing, pageOf, parseListing } from '../../api/index.ts';
import type { Request } from '../caller.ts';
import type { Db } from '../core.ts';
import { identityFailure, identityFailures, notFound } from '../failures.ts';
import type { Identified } from './rows.ts';

export type View = Record<string, unknown>;

/** A resource with its link. */
export function linked(request: Request, collection: string, view: View): View {
  return { ...view, links: { self: `${request.baseUrl}/v3/${collection}/${String(view.id)}` } };
}

export function listReply(
  request: Request,
  collection: string,
  views: readonly View[],
  next?: string,
): ApiReply {
  const path = request.url.split('?', 1)[0] ?? '';
  const self = `${request.baseUrl}${request.url}`;
  const links = {
    next: next === undefined ? null : `${request.baseUrl}${path}${next}`,
    self,
    previous: null,
  };
  const key = collection.split('/').at(-1) ?? collection;
  const truncated = next === undefined ? {} : { truncated: true };
  return { body: { links, [key]: views, ...truncated } };
}

/** Reads one page of a table. The marker must be there: after a row that is gone comes nothing in particular. */
export async function readPage<R extends Identified>(
  request: Request,
  db: Db,
  rules: ListingRules,
  where: readonly RawBuilder<boolean>[] = [],
): Promise<Page<R>> {
  const listing: Listing = parseListing(
    request.query,
    { ...rules, table: 'row' },
    identityFailures,
  );
  const { table } = rules;
  let query = db.selectFrom(sql<Identified>`${sql.table(table)}`.as('row')).selectAll('row');
  for (const condition of where) query = query.where(condition);
  if (listing.marker !== undefined) {
    const marker = sql<boolean>`${sql.ref('row.id')} = ${listing.marker}`;
    if ((await query.where(marker).executeTakeFirst()) === undefined)
      throw identityFailure('page-invalid', { detail: 'The marker could not be found.' });
  }
  // The builder knows the table by its name only; whoever names it knows the type of its rows.
  const found = await db.executeQuery<R>(applyListing(query, listing, table, 'row').compile());
  return pageOf(found.rows, listing, request.query);
}

/** The row, or Keystone's 404. */
export function found<R>(row: R | undefined, what: string, id: string): R {
  if (row === undefined) throw notFound(what, id);
  return row;
}
