/** Lists of volumes, by everything that a client may filter by. */
import { type RawBuilder, sql } from 'kysely';
import { callerOf, flagOf, type Request } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { type Page, readPage } from '../listing.ts';
import { type VolumeFacts, volumeFacts } from '../volume-facts.ts';

const filters = {
  id: 'id',
  name: 'name',
  display_name: 'name',
  size: 'size_gib',
  availability_zone: 'zone',
  group_id: 'group_id',
  snapshot_id: 'snapshot_id',
  source_volid: 'source_volid',
  user_id: 'user_id',
} as const;

const sortKeys = {
  id: 'id',
  name: 'name',
  display_name: 'name',
  size: 'size_gib',
  created_at: 'created_at_us',
  updated_at: 'updated_at_us',
  availability_zone: 'zone',
  bootable: 'bootable',
  user_id: 'user_id',
} as const;

export async function listVolumes(core: VolumeCore, request: Request): Promise<Page<VolumeFacts>> {
  const known = new Map<string, VolumeFacts>();
  const matches = computedFilter(request);
  const page = await readPage(
    core.db,
    request,
    {
      table: 'volume',
      filters,
      sortKeys,
      defaultSort: 'created_at',
      pageMax: core.settings.pageMax,
      owned: true,
    },
    {
      where: columnFilters(request),
      keep: async (batch) => {
        const kept = (await volumeFacts(core.db, batch)).filter(matches);
        for (const facts of kept) known.set(facts.row.id, facts);
        return kept.map((facts) => facts.row);
      },
    },
  );
  const rows = page.rows.flatMap((row) => known.get(row.id) ?? []);
  return { ...page, rows };
}

/** What SQL can tell: flags and times. */
function columnFilters(request: Request): RawBuilder<boolean>[] {
  const { query } = request;
  const found: RawBuilder<boolean>[] = [];
  const bootable = query.get('bootable');
  if (bootable !== null) {
    const flag =
      request.version.minor >= 2 ? flagOf(bootable, 'bootable') : !/^(false)$/i.test(bootable);
    found.push(sql<boolean>`volume.bootable = ${flag ? 1 : 0}`);
  }
  if (query.has('multiattach'))
    found.push(
      sql<boolean>`volume.multiattach = ${flagOf(query.get('multiattach'), 'multiattach') ? 1 : 0}`,
    );
  if (request.version.minor >= 60) {
    for (const name of ['created_at', 'updated_at'])
      found.push(...timeFilters(`volume.${name}_us`, query.get(name), name));
  }
  if (request.version.minor >= 65 && !flagOf(query.get('consumes_quota'), 'consumes_quota', true))
    found.push(sql<boolean>`1 = 0`);
  return found;
}

const operators: Readonly<Record<string, string>> = {
  gt: '>',
  gte: '>=',
  eq: '=',
  neq: '<>',
  lt: '<',
  lte: '<=',
};

/** `gt:2026-01-01T00:00:00,lt:…` */
export function timeFilters(
  column: string,
  text: string | null,
  name: string,
): RawBuilder<boolean>[] {
  if (text === null) return [];
  return text.split(',').map((part) => {
    const colon = part.indexOf(':');
    const operator = part.slice(0, colon);
    const time = part.slice(colon + 1);
    const symbol = Object.hasOwn(operators, operator) ? operators[operator] : undefined;
    if (colon < 0 || symbol === undefined)
      throw volumeFailure('refused', { why: `Invalid ${operator.slice(0, 32)} operator` });
    const ms = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`);
    if (Number.isNaN(ms)) throw volumeFailure('refused', { why: `Invalid ${name} value` });
    return sql<boolean>`${sql.ref(column)} ${sql.raw(symbol)} ${ms * 1000}`;
  });
}

/** What is computed: status, type, metadata, host. */
function computedFilter(request: Request): (facts: VolumeFacts) => boolean {
  const { query } = request;
  const tests: ((facts: VolumeFacts) => boolean)[] = [];
  const status = query.get('status');
  if (status !== null) tests.push((facts) => facts.status === status);
  const type = query.get('volume_type') ?? query.get('volume_type_id');
  if (type !== null) tests.push(({ row, type: of }) => row.type_id === type || of?.name === type);
  for (const [name, column] of [
    ['metadata', 'metadata_json'],
    ['glance_metadata', 'image_metadata_json'],
  ] as const) {
    const text = query.get(name);
    if (text === null) continue;
    const wanted = Object.entries(fields.parseDictionary(text));
    tests.push(({ row }) => {
      const present = fields.parseMap(row[column]);
      return wanted.every(([key, value]) => present[key] === value);
    });
  }
  const encrypted = query.get('encrypted');
  if (encrypted !== null && callerOf(request).isAdmin) {
    const flag = flagOf(encrypted, 'encrypted');
    tests.push(({ row }) => (row.encryption_key_id !== null) === flag);
  }
  return (facts) => tests.every((test) => test(facts));
}
