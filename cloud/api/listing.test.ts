import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RoomMigrations, State } from '#cloud/state';
import { isFailure } from '#common';
import { engines, TestDatabase } from '../state/testing/engines.ts';
import { applyListing, type ListingRules, pageOf, parseListing, pickFields } from './listing.ts';
import { testFailures } from './testing/service.ts';

type Tables = {
  thing: {
    id: string;
    name: string | null;
    size: number | null;
    enabled: number;
    project_id: string;
  };
};
const things: RoomMigrations = {
  room: 'thing',
  steps: [
    {
      number: 1,
      name: 'thing',
      apply: async ({ schema }) => {
        await schema
          .createTable('thing')
          .addColumn('id', 'text', (column) => column.primaryKey())
          .addColumn('name', 'text')
          .addColumn('size', 'bigint')
          .addColumn('enabled', 'integer', (column) => column.notNull())
          .addColumn('project_id', 'text', (column) => column.notNull())
          .execute();
      },
    },
  ],
};
const rows: Tables['thing'][] = [
  { id: '1', name: 'Alpha', size: 10, enabled: 1, project_id: 'p' },
  { id: '2', name: 'alphabet', size: 20, enabled: 0, project_id: 'p' },
  { id: '3', name: 'beta%', size: 10, enabled: 1, project_id: 'q' },
  { id: '4', name: null, size: null, enabled: 1, project_id: 'q' },
  { id: '5', name: 'x,"y', size: 30, enabled: 0, project_id: 'q' },
];
const rules: ListingRules = {
  table: 'thing',
  filters: { name: 'text', size: 'number', enabled: 'flag', owner: 'text:project_id' },
  operators: true,
  sortKeys: ['id', 'name', 'size'],
  numericKeys: ['size'],
  defaultSort: 'id',
  limitMax: 100,
};

describe.each(engines)('listings on %s', (engine) => {
  let database: TestDatabase;
  let state: State;
  beforeAll(async () => {
    database = new TestDatabase(engine);
    state = await database.open([things]);
    await state.db.$extendTables<Tables>().insertInto('thing').values(rows).execute();
  });
  afterAll(() => database.remove());

  async function list(text: string) {
    const query = new URLSearchParams(text);
    const listing = parseListing(query, rules, testFailures);
    const base = state.db.$extendTables<Tables>().selectFrom('thing').selectAll();
    return pageOf(await applyListing(base, listing, 'thing').execute(), listing, query);
  }
  const ids = async (text: string) => (await list(text)).rows.map((row) => row.id).join('');

  it.each([
    ['name=Alpha', '1'],
    ['name=', '4'],
    ['name__contains=pha', '12'],
    ['name__startswith=alpha', '2'],
    ['name__istartswith=ALPHA', '12'],
    ['name__endswith=%25', '3'],
    ['name__contains=%25', '3'],
    ['name__icontains=_', ''],
    ['enabled=false', '25'],
    ['enabled=true&owner=q', '34'],
    ['size=10', '13'],
    ['size=gt:10', '25'],
    ['size=gte:10&size=lt:30', '123'],
    ['size=neq:10', '245'],
    ['size=in:10,30', '135'],
    ['name=in:"x,\\"y",Alpha', '15'],
    ['name=neq:Alpha', '2345'],
    ['unknown=1', '12345'],
    ['sort=size:desc,id:asc', '52134'],
    ['sort=size,name:desc', '43125'],
    ['sort_key=size&sort_key=id&sort_dir=asc&sort_dir=desc', '43125'],
    ['sort=id:desc', '54321'],
  ])('%s', async (text, expected) => {
    expect(await ids(text)).toBe(expected);
  });

  it('give every row once, page by page, whatever the order', async () => {
    for (const sort of ['size:asc,name:desc', 'name:desc,size:desc', 'size:desc', 'name:asc']) {
      const all = await ids(`sort=${sort}`);
      for (const limit of [1, 2, 3]) {
        let seen = '';
        let query: string | undefined = `sort=${sort}&limit=${limit}`;
        for (let pages = 0; query !== undefined && pages < 10; pages++) {
          const page = await list(query);
          seen += page.rows.map((row) => row.id).join('');
          query = page.next?.slice(1);
        }
        expect([sort, limit, seen]).toEqual([sort, limit, all]);
      }
    }
  });

  it('refuse what they cannot do', async () => {
    const said = (text: string) =>
      list(text).then(
        () => 'nothing',
        (error: unknown) => (isFailure(error) ? error.code : String(error)),
      );
    const bad = ['sort=secret', 'sort=id:up', 'limit=x', 'limit=-1', 'size=gt:ten', 'size=abc'];
    for (const text of bad) expect([text, await said(text)]).toEqual([text, 'page-invalid']);
    expect(await said(`size=in:${'1,'.repeat(500)}1`)).toBe('page-invalid');
    expect(await said("name=' or 1=1 --")).toBe('nothing');
  });
});

it('fields choose what is shown', () => {
  const view = { id: '1', name: 'x', size: 3 };
  expect(pickFields(view, new URLSearchParams('fields=id,size'))).toEqual({ id: '1', size: 3 });
  expect(pickFields(view, new URLSearchParams('fields=id&fields=name'))).toEqual({
    id: '1',
    name: 'x',
  });
  expect(pickFields(view, new URLSearchParams())).toEqual(view);
});
