/** Listing secrets: filters, sort keys and the caller's access lists. */
import { type ExpressionBuilder, sql } from 'kysely';
import { callerOf, projectOf, type Request } from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { invalid } from '../failures.ts';
import type { Paging } from '../paging.ts';
import { usersOf } from '../rows.ts';
import type { SecretRow, SecretTables } from '../tables.ts';
import { parseTime } from './times.ts';

const sortColumns = {
  algorithm: 'algorithm',
  bit_length: 'bit_length',
  created: 'created_at_us',
  expiration: 'expires_at_us',
  mode: 'mode',
  name: 'name',
  secret_type: 'secret_type',
  updated: 'updated_at_us',
} as const;

const timeColumns = {
  created: 'created_at_us',
  updated: 'updated_at_us',
  expiration: 'expires_at_us',
} as const;

const comparisons = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '=' } as const;
const badQuery = () => invalid('URI provided invalid query string parameters.');

type Build = ExpressionBuilder<SecretTables, 'secret'>;

export async function selectSecrets(
  core: SecretCore,
  request: Request,
  page: Paging,
): Promise<{ readonly rows: readonly SecretRow[]; readonly total: number }> {
  const { query } = request;
  const conditions = timeConditions(query);
  const order = sortOf(query.get('sort'));
  const shared = await sharedIds(core, request);
  const matching = (build: Build) =>
    build.and([
      build.or([build('expires_at_us', 'is', null), build('expires_at_us', '>', core.nowUs())]),
      shared === undefined
        ? build('project_id', '=', projectOf(request))
        : shared.length === 0
          ? sql<boolean>`1 = 0`
          : build('id', 'in', [...shared]),
      ...equalities(query).map(([column, value]) => build(column, '=', value)),
      ...conditions.map(({ column, operator, us }) => build(column, operator, us)),
    ]);
  const { total } = await core.db
    .selectFrom('secret')
    .select((build) => build.fn.countAll<number>().as('total'))
    .where(matching)
    .executeTakeFirstOrThrow();
  let select = core.db.selectFrom('secret').selectAll().where(matching);
  for (const { column, direction } of order) select = select.orderBy(column, direction);
  const rows = await select
    .orderBy('created_at_us')
    .orderBy('id')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  return { rows, total: Number(total) };
}

function equalities(query: URLSearchParams) {
  const named = [
    ['name', 'name'],
    ['alg', 'algorithm'],
    ['mode', 'mode'],
    ['secret_type', 'secret_type'],
  ] as const;
  const found: ['name' | 'algorithm' | 'mode' | 'secret_type' | 'bit_length', string | number][] =
    [];
  for (const [parameter, column] of named) {
    const value = query.get(parameter);
    if (value !== null && value !== '') found.push([column, value]);
  }
  // What is no number counts as not given, as upstream has it.
  const bits = query.get('bits') ?? '';
  if (/^[1-9]\d{0,5}$/.test(bits)) found.push(['bit_length', Number(bits)]);
  return found;
}

/** `created=gt:2026-01-01T00:00:00,lt:…`. */
function timeConditions(query: URLSearchParams) {
  return Object.entries(timeColumns).flatMap(([parameter, column]) => {
    const given = query.get(parameter);
    if (given === null || given === '') return [];
    const seen = new Set<string>();
    return given.split(',').map((filter) => {
      const [, name = 'eq', text = ''] = /^(?:(gte|gt|lte|lt):)?(.*)$/.exec(filter) ?? [];
      const us = parseTime(text);
      if (us === undefined || seen.has(name.slice(0, 2))) throw badQuery();
      seen.add(name.slice(0, 2));
      return { column, operator: comparisons[name as keyof typeof comparisons], us };
    });
  });
}

function sortOf(given: string | null) {
  if (given === null || given === '') return [];
  const seen = new Set<string>();
  return given.split(',').flatMap((part) => {
    const [key = '', direction = 'asc', ...rest] = part.split(':');
    const known = Object.hasOwn(sortColumns, key) || key === 'status';
    if (!known || seen.has(key) || rest.length > 0) throw badQuery();
    if (direction !== 'asc' && direction !== 'desc') throw badQuery();
    seen.add(key);
    // All that are listed have the same status.
    if (key === 'status') return [];
    return [{ column: sortColumns[key as keyof typeof sortColumns], direction } as const];
  });
}

/** With `acl_only=true` the secrets whose access lists name the caller, in whatever project. */
async function sharedIds(
  core: SecretCore,
  request: Request,
): Promise<readonly string[] | undefined> {
  if (request.query.get('acl_only')?.toLowerCase() !== 'true') return undefined;
  const { userId } = callerOf(request);
  const lists = await core.db
    .selectFrom('secret_acl')
    .selectAll()
    .where('users_json', 'like', `%"${userId.replaceAll(/[%\\]/g, '_')}"%`)
    .limit(10_000)
    .execute();
  return lists.filter((acl) => usersOf(acl).includes(userId)).map((acl) => acl.owner_id);
}
