/** Rows as the API shows them. */

import { type SelectQueryBuilder, sql } from 'kysely';
import type { ApiReply, Listing, ListingRules, Page } from '../../api/index.ts';
import { applyListing, pageOf, parseListing } from '../../api/index.ts';
import type { Request } from '../caller.ts';
import { identityFailure, identityFailures, notFound } from '../failures.ts';
import type { IdentityTables } from '../tables.ts';

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
export async function readPage<
  T extends keyof IdentityTables & string,
  O extends { readonly id: string },
>(
  request: Request,
  query: SelectQueryBuilder<IdentityTables, T, O>,
  rules: ListingRules & { readonly table: T },
): Promise<Page<O>> {
  const listing: Listing = parseListing(request.query, rules, identityFailures);
  if (listing.marker !== undefined) {
    const marker = sql<boolean>`${sql.ref(`${rules.table}.id`)} = ${listing.marker}`;
    if ((await query.where(marker).executeTakeFirst()) === undefined)
      throw identityFailure('page-invalid', { detail: 'The marker could not be found.' });
  }
  const rows = await applyListing(query, listing, rules.table).execute();
  return pageOf(rows, listing, request.query);
}

/** The row, or Keystone's 404. */
export function found<R>(row: R | undefined, what: string, id: string): R {
  if (row === undefined) throw notFound(what, id);
  return row;
}
