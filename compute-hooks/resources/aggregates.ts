/** Host aggregates: groups of hosts with metadata, some of which are availability zones. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, parameter, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { hostsIn } from '../scheduler.ts';
import type { AggregateRow } from '../tables.ts';
import type { View } from './server-views.ts';

const zone = fields.optional(Type.String({ minLength: 1, maxLength: 255, pattern: '^[^:]+$' }));
const hostField = fields.object({ host: fields.name });

export function aggregateRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const policy = (name: string) => `os_compute_api:os-aggregates:${name}`;
  const the = async (request: Request): Promise<AggregateRow> => {
    const id = parameter(request, 'aggregate_id');
    const row = await core.db
      .selectFrom('compute_aggregate')
      .selectAll()
      .where('number', '=', /^\d{1,10}$/.test(id) ? Number(id) : -1)
      .executeTakeFirst();
    if (row === undefined)
      throw computeFailure('missing', { why: `Aggregate ${id} could not be found.` });
    return row;
  };
  const write = async (row: AggregateRow, set: Partial<AggregateRow>): Promise<AggregateRow> => {
    const after = { ...row, ...set, updated_at_us: core.clock.nowUs() };
    await core.db.updateTable('compute_aggregate').set(after).where('id', '=', row.id).execute();
    return after;
  };
  const reply = (request: Request, row: AggregateRow) => ({
    body: { aggregate: view(request, row) },
  });
  return [
    compute({
      method: 'GET',
      path: '/os-aggregates',
      policy: policy('index'),
      handle: async (request) => {
        const rows = await core.db
          .selectFrom('compute_aggregate')
          .selectAll()
          .orderBy('number')
          .execute();
        return { body: { aggregates: rows.map((row) => view(request, row)) } };
      },
    }),
    compute({
      method: 'POST',
      path: '/os-aggregates',
      policy: policy('create'),
      body: fields.object({
        aggregate: fields.object({ name: fields.name, availability_zone: zone }),
      }),
      handle: async (request) => {
        const { name, availability_zone } = request.body.aggregate;
        const row = await create(core, name.trim(), availability_zone ?? null);
        // Upstream shows a new one without what it cannot have yet.
        const { hosts: _hosts, metadata: _metadata, ...fresh } = view(request, row);
        return { body: { aggregate: fresh } };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-aggregates/:aggregate_id',
      policy: policy('show'),
      handle: async (request) => reply(request, await the(request)),
    }),
    compute({
      method: 'PUT',
      path: '/os-aggregates/:aggregate_id',
      policy: policy('update'),
      body: fields.object({
        aggregate: Type.Object(
          { name: Type.Optional(fields.name), availability_zone: zone },
          { additionalProperties: false, minProperties: 1 },
        ),
      }),
      handle: async (request) => {
        const { name, availability_zone } = request.body.aggregate;
        const set = {
          ...(name === undefined ? {} : { name: name.trim() }),
          ...(availability_zone === undefined ? {} : { zone: availability_zone }),
        };
        return reply(request, await write(await the(request), set));
      },
    }),
    compute({
      method: 'DELETE',
      path: '/os-aggregates/:aggregate_id',
      policy: policy('delete'),
      handle: async (request) => {
        const row = await the(request);
        if (hostsIn(row).length > 0)
          throw computeFailure('refused', {
            why: `Cannot remove host from aggregate ${row.number}. Reason: Host aggregate is not empty.`,
          });
        await core.db.deleteFrom('compute_aggregate').where('id', '=', row.id).execute();
        return {};
      },
    }),
    compute({
      method: 'POST',
      path: '/os-aggregates/:aggregate_id/action',
      policy: policy('index'),
      body: Type.Object(
        {
          add_host: Type.Optional(hostField),
          remove_host: Type.Optional(hostField),
          set_metadata: Type.Optional(
            fields.object({
              metadata: Type.Record(
                Type.String({ minLength: 1, maxLength: 255 }),
                fields.nullable(Type.String({ maxLength: 255 })),
              ),
            }),
          ),
        },
        { additionalProperties: false, minProperties: 1, maxProperties: 1 },
      ),
      handle: async (request) => {
        const row = await the(request);
        const { add_host: add, remove_host: remove, set_metadata: set } = request.body;
        if (add !== undefined)
          return reply(request, await write(row, await added(core, row, add.host)));
        if (remove !== undefined)
          return reply(request, await write(row, removed(row, remove.host)));
        return reply(request, await write(row, metadataAfter(row, set?.metadata ?? {})));
      },
    }),
    compute({
      method: 'POST',
      path: '/os-aggregates/:aggregate_id/images',
      policy: policy('update'),
      versions: { from: '2.81' },
      handle: async () => {
        throw computeFailure('not-implemented', {
          what: 'Caching images on hosts (they boot by reference)',
        });
      },
    }),
  ];
}

async function create(core: ComputeCore, name: string, zone: string | null): Promise<AggregateRow> {
  return core.change(async (transaction) => {
    const all = await transaction
      .selectFrom('compute_aggregate')
      .select(['name', 'number'])
      .execute();
    if (all.some((one) => one.name === name))
      throw computeFailure('refused-conflict', { why: `Aggregate ${name} already exists.` });
    const row: AggregateRow = {
      id: core.newId(),
      number: Math.max(0, ...all.map((one) => one.number)) + 1,
      name,
      zone,
      metadata_json: '{}',
      hosts_json: '[]',
      created_at_us: core.clock.nowUs(),
      updated_at_us: null,
    };
    await transaction.insertInto('compute_aggregate').values(row).execute();
    return row;
  });
}

async function added(core: ComputeCore, row: AggregateRow, host: string) {
  const known = await core.db
    .selectFrom('compute_host')
    .select('id')
    .where('name', '=', host)
    .executeTakeFirst();
  if (known === undefined)
    throw computeFailure('missing', { why: `Compute host ${host} could not be found.` });
  const hosts = hostsIn(row);
  if (hosts.includes(host))
    throw computeFailure('refused-conflict', {
      why: `Aggregate ${row.number} already has host ${host}.`,
    });
  if (row.zone !== null) await refuseOtherZone(core, row, host);
  return { hosts_json: JSON.stringify([...hosts, host]) };
}

async function refuseOtherZone(core: ComputeCore, row: AggregateRow, host: string): Promise<void> {
  const all = await core.db.selectFrom('compute_aggregate').selectAll().execute();
  const other = all.find(
    (one) => one.zone !== null && one.zone !== row.zone && hostsIn(one).includes(host),
  );
  if (other !== undefined)
    throw computeFailure('refused-conflict', {
      why: `Cannot add host to aggregate ${row.number}. Reason: One or more hosts already in availability zone(s) ['${other.zone}'].`,
    });
}

function removed(row: AggregateRow, host: string) {
  const hosts = hostsIn(row);
  if (!hosts.includes(host))
    throw computeFailure('missing', { why: `Aggregate ${row.number} has no host ${host}.` });
  return { hosts_json: JSON.stringify(hosts.filter((one) => one !== host)) };
}

function metadataAfter(
  row: AggregateRow,
  set: Record<string, string | null>,
): Partial<AggregateRow> {
  const { availability_zone: zone, ...others } = set;
  const metadata = fields.parseMap(row.metadata_json);
  for (const [key, value] of Object.entries(others)) {
    if (value === null) delete metadata[key];
    else metadata[key] = value;
  }
  return { metadata_json: JSON.stringify(metadata), ...(zone === undefined ? {} : { zone }) };
}

function view(request: Request, row: AggregateRow): View {
  const metadata = fields.parseMap(row.metadata_json);
  return {
    id: row.number,
    name: row.name,
    availability_zone: row.zone,
    hosts: hostsIn(row),
    metadata: row.zone === null ? metadata : { ...metadata, availability_zone: row.zone },
    created_at: fields.stampOf(row.created_at_us),
    updated_at: fields.stampOf(row.updated_at_us),
    deleted: false,
    deleted_at: null,
    ...(request.minor >= 41 ? { uuid: row.id } : {}),
  };
}
