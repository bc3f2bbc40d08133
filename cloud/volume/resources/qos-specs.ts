/** QoS specs: limits that volume types give their volumes. */
import Type from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import { flagOf, parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { readPage } from '../listing.ts';
import type { QosRow } from '../tables.ts';
import { linksOf, pageReply, type View } from '../views.ts';
import { onDuplicate } from './removal.ts';

const path = '/qos-specs';
const policy = 'volume_extension:qos_specs_manage';
const consumers = ['front-end', 'back-end', 'both'];
const value = Type.Union([Type.String({ maxLength: 255 }), Type.Number()]);
const specsOf = Type.Record(Type.String({ pattern: '^[a-zA-Z0-9-_:. ]{1,255}$' }), value, {
  additionalProperties: false,
  maxProperties: 64,
});

export function qosRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const theSpec = async (request: Request): Promise<QosRow> => {
    const id = parameter(request, 'qos_id');
    const row = await db
      .selectFrom('volume_qos')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw notFound('No such qos spec', id);
    return row;
  };
  const detail = (request: Request, row: QosRow): ApiReply => ({
    body: { qos_specs: qosView(row), links: linksOf(request, 'qos-specs', row.id) },
  });
  return [
    ...scoped({
      method: 'GET',
      path,
      policy: `${policy}:get_all`,
      handle: async (request) => {
        const page = await readPage(db, request, {
          table: 'volume_qos',
          filters: { id: 'id', name: 'name', consumer: 'consumer' },
          sortKeys: { created_at: 'created_at_us', id: 'id', name: 'name', consumer: 'consumer' },
          defaultSort: 'created_at',
          pageMax: core.settings.pageMax,
          owned: false,
        });
        return pageReply(request, 'qos_specs', page, qosView);
      },
    }),
    ...scoped({
      method: 'POST',
      path,
      policy: `${policy}:create`,
      body: Type.Object({ qos_specs: specsOf }, { additionalProperties: false }),
      handle: async (request) => {
        const { name, consumer = 'back-end', ...specs } = request.body.qos_specs;
        if (typeof name !== 'string' || name.trim() === '')
          throw volumeFailure('refused', {
            why: "Invalid input for field/attribute name. 'name' is a required property",
          });
        const row: QosRow = {
          id: core.newId(),
          name: name.trim(),
          consumer: consumerOf(consumer),
          specs_json: JSON.stringify(texts(specs)),
          created_at_us: core.clock.nowUs(),
        };
        await onDuplicate(
          () => volumeFailure('refused-conflict', { why: `QoS Specs ${row.name} already exists.` }),
          () => db.insertInto('volume_qos').values(row).execute(),
        );
        return detail(request, row);
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:qos_id`,
      policy: `${policy}:get`,
      handle: async (request) => detail(request, await theSpec(request)),
    }),
    ...scoped({
      method: 'PUT',
      path: `${path}/:qos_id`,
      policy: `${policy}:update`,
      body: Type.Object({ qos_specs: specsOf }, { additionalProperties: false }),
      handle: async (request) => {
        const row = await theSpec(request);
        const { consumer, ...specs } = request.body.qos_specs;
        await save(core, {
          ...row,
          consumer: consumer === undefined ? row.consumer : consumerOf(consumer),
          specs_json: JSON.stringify({ ...fields.parseMap(row.specs_json), ...texts(specs) }),
        });
        return { body: request.body };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: `${path}/:qos_id/delete_keys`,
      policy: `${policy}:delete`,
      body: Type.Object({ keys: Type.Array(fields.text, { minItems: 1, maxItems: 64 }) }),
      handle: async (request) => {
        const row = await theSpec(request);
        const specs = fields.parseMap(row.specs_json);
        for (const key of request.body.keys) {
          if (!Object.hasOwn(specs, key))
            throw volumeFailure('no-such-key', { what: `QoS spec ${row.id}`, items: 'spec', key });
          delete specs[key];
        }
        await save(core, { ...row, specs_json: JSON.stringify(specs) });
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${path}/:qos_id`,
      policy: `${policy}:delete`,
      handle: async (request) => {
        const row = await theSpec(request);
        const force = flagOf(request.query.get('force'), 'force');
        await core.change(async (transaction) => {
          if (force) await disassociate(transaction, row.id);
          else if ((await typesWith(transaction, row.id)).length > 0)
            throw volumeFailure('refused', { why: 'Qos specs still in use.' });
          await transaction.deleteFrom('volume_qos').where('id', '=', row.id).execute();
        });
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:qos_id/associations`,
      policy: `${policy}:get_all`,
      handle: async (request) => {
        const row = await theSpec(request);
        const associations = (await typesWith(db, row.id)).map(({ id, name }) => ({
          association_type: 'volume_type',
          name,
          id,
        }));
        return { body: { qos_associations: associations } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:qos_id/associate`,
      policy: `${policy}:update`,
      handle: async (request) => {
        const row = await theSpec(request);
        await core.change((transaction) => associate(transaction, row.id, typeIdOf(request)));
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:qos_id/disassociate`,
      policy: `${policy}:update`,
      handle: async (request) => {
        const row = await theSpec(request);
        const typeId = typeIdOf(request);
        if (!(await typesWith(db, row.id)).some(({ id }) => id === typeId))
          throw notFound('Volume type', typeId);
        await core.change((transaction) => disassociate(transaction, row.id, typeId));
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:qos_id/disassociate_all`,
      policy: `${policy}:update`,
      handle: async (request) => {
        const row = await theSpec(request);
        await core.change((transaction) => disassociate(transaction, row.id));
        return { status: 202 };
      },
    }),
  ];
}

function qosView(row: QosRow): View {
  return {
    id: row.id,
    name: row.name,
    consumer: row.consumer,
    specs: fields.parseMap(row.specs_json),
  };
}

function consumerOf(consumer: string | number): string {
  if (consumers.includes(String(consumer))) return String(consumer);
  throw volumeFailure('refused', {
    why: `Invalid qos specs: Valid consumer of QoS specs are: ${consumers.join(', ')}`,
  });
}

const texts = (specs: Record<string, string | number>) =>
  Object.fromEntries(Object.entries(specs).map(([name, each]) => [name, String(each)]));

function typeIdOf(request: Request): string {
  const id = request.query.get('vol_type_id');
  if (id === null || id === '')
    throw volumeFailure('refused', { why: 'Volume Type id must not be None.' });
  return id;
}

const save = (core: VolumeCore, row: QosRow) =>
  core.db.updateTable('volume_qos').set(row).where('id', '=', row.id).execute();

function typesWith(db: Pick<VolumeCore['db'], 'selectFrom'>, qosId: string) {
  return db
    .selectFrom('volume_type')
    .select(['id', 'name'])
    .where('qos_id', '=', qosId)
    .orderBy('name')
    .execute();
}

async function associate(transaction: Tx, qosId: string, typeId: string): Promise<void> {
  const type = await transaction
    .selectFrom('volume_type')
    .select(['id', 'qos_id'])
    .where('id', '=', typeId)
    .executeTakeFirst();
  if (type === undefined) throw notFound('Volume type', typeId);
  if (type.qos_id !== null && type.qos_id !== qosId)
    throw volumeFailure('refused', {
      why: `Type ${typeId} is already associated with another qos specs: ${type.qos_id}`,
    });
  await transaction
    .updateTable('volume_type')
    .set({ qos_id: qosId })
    .where('id', '=', typeId)
    .execute();
}

async function disassociate(transaction: Tx, qosId: string, typeId?: string): Promise<void> {
  const update = transaction
    .updateTable('volume_type')
    .set({ qos_id: null })
    .where('qos_id', '=', qosId);
  await (typeId === undefined ? update : update.where('id', '=', typeId)).execute();
}
