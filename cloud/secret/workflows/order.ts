/** Filling an order: the key, or the pair and its container, and the order's row that names them, all in one transaction. */
import Type from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import type { SecretCore, Tx } from '../core.ts';
import { hold } from '../quotas.ts';
import { expirationOf } from '../resources/times.ts';
import { insertRow, sealedRow } from '../store.ts';
import type { OrderRow, SecretRow, SecretTables } from '../tables.ts';
import { makeAsymmetric, makeSymmetric } from './make-keys.ts';

const input = Type.Object({ orderId: Type.String() });

/** Written by `resources/orders.ts`, which has checked it. */
interface Meta {
  readonly name?: string | null;
  readonly algorithm: string;
  readonly bit_length: number;
  readonly mode?: string | null;
  readonly expiration?: string | null;
}

export function orderWorkflow(core: SecretCore): Workflow {
  return declareWorkflow({
    name: 'secret.order',
    input,
    steps: [
      {
        name: 'make',
        timeoutMs: 60_000,
        retriesMax: 5,
        run: async ({ input: { orderId } }) => {
          const order = await core.db
            .selectFrom('secret_order')
            .selectAll()
            .where('id', '=', orderId)
            .executeTakeFirst();
          // Deleted before it was filled: there is nothing to make.
          if (order === undefined) return undefined;
          const fill = order.type === 'key' ? await keyOf(core, order) : await pairOf(core, order);
          return { commit: (untyped) => fill(roomOf<SecretTables>(untyped)) };
        },
      },
    ],
    ended: async (untyped, operation, { orderId }) => {
      if (operation.state === 'succeeded') return;
      await roomOf<SecretTables>(untyped)
        .updateTable('secret_order')
        .set({
          failure: operation.error?.message ?? `The order was ${operation.state}.`,
          updated_at_us: core.nowUs(),
        })
        .where('id', '=', orderId)
        .execute();
    },
  });
}

type Fill = (tx: Tx) => Promise<void>;

async function keyOf(core: SecretCore, order: OrderRow): Promise<Fill> {
  const meta = metaOf(order);
  const secret = await rowOf(core, order, {
    secretType: 'symmetric',
    name: meta.name ?? null,
    bytes: makeSymmetric(core.random, meta.bit_length),
    contentType: 'application/octet-stream',
  });
  return async (tx) => {
    await insertRow(core, tx, secret);
    await nameMade(core, tx, order, { secret_id: secret.id });
  };
}

async function pairOf(core: SecretCore, order: OrderRow): Promise<Fill> {
  const { algorithm, bit_length: bits, name } = metaOf(order);
  const pair = await makeAsymmetric(algorithm, bits);
  const contentType = 'application/octet-stream';
  const secretOf = (secretType: 'private' | 'public', bytes: Buffer) =>
    rowOf(core, order, { secretType, name: name ?? null, bytes, contentType });
  const privateKey = await secretOf('private', pair.privateKey);
  const publicKey = await secretOf('public', pair.publicKey);
  return async (tx) => {
    await insertRow(core, tx, privateKey);
    await insertRow(core, tx, publicKey);
    const containerId = await insertPair(core, tx, order, { privateKey, publicKey });
    await nameMade(core, tx, order, { container_id: containerId });
  };
}

async function rowOf(
  core: SecretCore,
  order: OrderRow,
  made: {
    readonly secretType: string;
    readonly name: string | null;
    readonly bytes: Buffer;
    readonly contentType: string;
  },
): Promise<SecretRow> {
  const meta = metaOf(order);
  return await sealedRow(core, {
    id: core.newId(),
    projectId: order.project_id,
    creatorId: order.creator_id,
    name: made.name,
    secretType: made.secretType,
    algorithm: meta.algorithm,
    bitLength: meta.bit_length,
    mode: meta.mode ?? null,
    // Checked when it was ordered; measured from then, so that a late repetition does not refuse it.
    expiresUs: expirationOf(meta.expiration, order.created_at_us),
    payload: { bytes: made.bytes, contentType: made.contentType },
  });
}

async function insertPair(
  core: SecretCore,
  tx: Tx,
  order: OrderRow,
  keys: { readonly privateKey: SecretRow; readonly publicKey: SecretRow },
): Promise<string> {
  const id = core.newId();
  const now = core.nowUs();
  await hold(core, tx, order.project_id, 'containers', id);
  await tx
    .insertInto('secret_container')
    .values({
      id,
      project_id: order.project_id,
      creator_id: order.creator_id,
      name: metaOf(order).name ?? null,
      type: isRsa(order) ? 'rsa' : 'generic',
      created_at_us: now,
      updated_at_us: now,
    })
    .execute();
  const members = { private_key: keys.privateKey.id, public_key: keys.publicKey.id };
  for (const [name, secretId] of Object.entries(members))
    await tx
      .insertInto('secret_container_member')
      .values({ container_id: id, secret_id: secretId, name })
      .execute();
  return id;
}

const isRsa = (order: OrderRow) => metaOf(order).algorithm.toLowerCase() === 'rsa';

async function nameMade(
  core: SecretCore,
  tx: Tx,
  order: OrderRow,
  made: { readonly secret_id: string } | { readonly container_id: string },
): Promise<void> {
  await tx
    .updateTable('secret_order')
    .set({ ...made, updated_at_us: core.nowUs() })
    .where('id', '=', order.id)
    .execute();
}

function metaOf(order: OrderRow): Meta {
  return JSON.parse(order.meta_json) as Meta;
}
