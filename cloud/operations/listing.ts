/** Pages of operations by what a query string asks for. */
import type { Kysely } from 'kysely';
import { applyListing, type ListingRules, type Page, pageOf, parseListing } from '#cloud/api';
import { Failure } from '#common';
import { type Operation, type OperationTables, operationOf } from './record.ts';

export const operationListing: ListingRules = {
  table: 'operation',
  filters: {
    id: 'text',
    workflow: 'text',
    state: 'text',
    project_id: 'text',
    user_id: 'text',
    request_id: 'text',
    resource_type: 'text',
    resource_id: 'text',
    parent_id: 'text',
  },
  operators: true,
  sortKeys: ['id', 'workflow', 'state', 'created_at', 'updated_at'],
  columns: { created_at: 'created_at_us', updated_at: 'updated_at_us' },
  numericKeys: ['created_at', 'updated_at'],
  defaultSort: 'created_at',
  defaultDescending: true,
  limitMax: 1_000,
};

export async function listOperations(
  db: Kysely<OperationTables>,
  query: URLSearchParams,
  projectId: string | undefined,
): Promise<Page<Operation>> {
  const listing = parseListing(
    query,
    operationListing,
    (detail) => new Failure('invalid', 'page-invalid', detail, { facts: { detail } }),
  );
  let rows = db.selectFrom('operation').selectAll();
  if (projectId !== undefined) rows = rows.where('project_id', '=', projectId);
  const found = await applyListing(rows, listing, 'operation').execute();
  const page = pageOf(found, listing, query);
  return { rows: page.rows.map(operationOf), next: page.next };
}
