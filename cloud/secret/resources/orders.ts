/** Orders: keys that the service makes itself. */
import Type, { type Static } from 'typebox';
import type { ApiReply, Route } from '#cloud/api';
import { callerOf, json, projectOf, type Request, route, type SecretCaller } from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { invalid, secretFailure } from '../failures.ts';
import { pageReply, pagingOf } from '../paging.ts';
import { normalizedType } from '../payloads.ts';
import { hold } from '../quotas.ts';
import { orderOf, orderTarget } from '../rows.ts';
import type { OrderRow } from '../tables.ts';
import { orderView, refOf } from '../views.ts';
import { fitsAsymmetric, fitsSymmetric } from '../workflows/make-keys.ts';
import { expirationOf } from './times.ts';

const body = Type.Object({
  type: Type.String({ maxLength: 255 }),
  meta: Type.Object({
    name: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
    algorithm: Type.Optional(Type.String({ maxLength: 255 })),
    bit_length: Type.Optional(Type.Union([Type.Integer(), Type.String({ pattern: '^\\d{1,5}$' })])),
    mode: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
    expiration: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
    payload_content_type: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
    passphrase: Type.Optional(Type.Union([Type.String({ maxLength: 1024 }), Type.Null()])),
  }),
});
type Given = Static<typeof body>;

export function orderRoutes(core: SecretCore): Route<SecretCaller>[] {
  const target = orderTarget(core);
  const path = '/v1/orders/:order_id';
  return [
    route({
      method: 'GET',
      path: '/v1/orders',
      policy: 'orders:get',
      handle: (request) => listOrders(core, request),
    }),
    route({
      method: 'POST',
      path: '/v1/orders',
      policy: 'orders:post',
      mediaTypes: json,
      body,
      handle: async (request) => {
        const row = await createOrder(core, request, request.body);
        const ref = refOf(request, 'orders', row.id);
        return { status: 202, headers: { Location: ref }, body: { order_ref: ref } };
      },
    }),
    route({
      method: 'GET',
      path,
      policy: 'order:get',
      target,
      handle: async (request) => ({ body: orderView(request, await orderOf(core, request)) }),
    }),
    route({
      method: 'DELETE',
      path,
      policy: 'order:delete',
      target,
      handle: async (request) => {
        await core.change(async (tx) => {
          const { id } = await orderOf(core, request, tx);
          await tx.deleteFrom('secret_order').where('id', '=', id).execute();
          await core.quotas.release(tx, id);
        });
        return { status: 204 };
      },
    }),
  ];
}

const refuse = (why: string, property = 'meta') =>
  invalid(`Provided object does not match schema 'Order': ${why}. Invalid property: '${property}'`);

/** What a passphrase would protect lies sealed already, and orders are shown: none is kept in one. */
function checkedMeta(core: SecretCore, type: string, meta: Given['meta']) {
  if (type === 'certificate')
    throw secretFailure('not-implemented', {
      why: 'There is no certificate authority: certificates cannot be ordered.',
    });
  if (type !== 'key' && type !== 'asymmetric')
    throw refuse(
      `'${type.slice(0, 64)}' is not one of ['key', 'asymmetric', 'certificate']`,
      'type',
    );
  const { algorithm, passphrase } = meta;
  if (!algorithm) throw refuse(`'algorithm' is required field for ${type} type order`);
  if (meta.bit_length === undefined)
    throw refuse(`'bit_length' is required field for ${type} type order`);
  const bitLength = Number(meta.bit_length);
  if (bitLength <= 0 || bitLength % 8 !== 0) throw invalid('Provided field value is not supported');
  const mode = meta.mode ?? undefined;
  if (passphrase)
    throw secretFailure('not-implemented', {
      why: 'Keys are made without a passphrase: they lie sealed as every payload does.',
    });
  const fits = type === 'key' ? fitsSymmetric : fitsAsymmetric;
  if (!fits(algorithm, bitLength, mode))
    throw invalid('Order creation issue seen - Secret generate supported plugin not found..');
  if (meta.payload_content_type && normalizedType(meta.payload_content_type) === undefined)
    throw refuse('payload_content_type is not supported', 'payload_content_type');
  expirationOf(meta.expiration, core.nowUs());
  return { ...meta, bit_length: bitLength };
}

async function createOrder(core: SecretCore, request: Request, given: Given): Promise<OrderRow> {
  const projectId = projectOf(request);
  const type = given.type.toLowerCase();
  const meta = checkedMeta(core, type, given.meta);
  const now = core.nowUs();
  const row: OrderRow = {
    id: core.newId(),
    project_id: projectId,
    creator_id: callerOf(request).userId,
    type,
    meta_json: JSON.stringify(meta),
    secret_id: null,
    container_id: null,
    failure: null,
    created_at_us: now,
    updated_at_us: now,
  };
  await core.changeOf(projectId, async (tx) => {
    await hold(core, tx, projectId, 'orders', row.id);
    await tx.insertInto('secret_order').values(row).execute();
    await core.operations.start(
      {
        workflow: 'secret.order',
        input: { orderId: row.id },
        projectId,
        userId: row.creator_id,
        requestId: request.requestId,
        resource: { type: 'order', id: row.id },
      },
      tx,
    );
  });
  return row;
}

async function listOrders(core: SecretCore, request: Request): Promise<ApiReply> {
  const page = pagingOf(core, request);
  const matching = core.db.selectFrom('secret_order').where('project_id', '=', projectOf(request));
  const { total } = await matching
    .select((build) => build.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const rows = await matching
    .selectAll()
    .orderBy('created_at_us')
    .orderBy('id')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const entries = rows.map((row) => orderView(request, row));
  return pageReply(request, 'orders', 'orders', { ...page, total: Number(total), entries });
}
