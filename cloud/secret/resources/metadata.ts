/** Metadata that users give their secrets. Keys are lower case, whatever was written. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { json, parameter, type Request, route, type SecretCaller } from '../caller.ts';
import type { SecretCore, Tx } from '../core.ts';
import { conflict, invalid, missing } from '../failures.ts';
import { secretOf, secretTarget } from '../rows.ts';
import { refOf } from '../views.ts';

const pair = Type.Object(
  { key: Type.String({ maxLength: 255 }), value: Type.String({ maxLength: 255 }) },
  { additionalProperties: false },
);
const noMetadata = () => missing('Secret metadata not found.');

export function metadataRoutes(core: SecretCore): Route<SecretCaller>[] {
  const target = secretTarget(core);
  const path = '/v1/secrets/:secret_id/metadata';
  const one = `${path}/:key`;
  const refTo = (request: Request, id: string) => `${refOf(request, 'secrets', id)}/metadata`;
  return [
    route({
      method: 'GET',
      path,
      policy: 'secret_meta:get',
      target,
      handle: async (request) => {
        const { id } = await secretOf(core, request);
        return { body: { metadata: await metadataOf(core.db, id) } };
      },
    }),
    route({
      method: 'PUT',
      path,
      policy: 'secret_meta:put',
      target,
      mediaTypes: json,
      body: Type.Object({ metadata: Type.Record(Type.String(), Type.Unknown()) }),
      handle: async (request) => {
        const { id } = await secretOf(core, request);
        const wanted = checkedAll(core, request.body.metadata);
        await core.change(async (tx) => {
          await tx.deleteFrom('secret_metadatum').where('secret_id', '=', id).execute();
          for (const [name, value] of Object.entries(wanted))
            await tx
              .insertInto('secret_metadatum')
              .values({ secret_id: id, name, value })
              .execute();
        });
        return { status: 201, body: { metadata_ref: refTo(request, id) } };
      },
    }),
    route({
      method: 'POST',
      path,
      policy: 'secret_meta:post',
      target,
      mediaTypes: json,
      body: pair,
      handle: async (request) => {
        const { id } = await secretOf(core, request);
        const key = checkedKey(request.body.key);
        const { value } = request.body;
        await core.change(async (tx) => {
          const present = await metadataOf(tx, id);
          if (Object.hasOwn(present, key))
            throw conflict('Conflict. Key in request is already in the secret metadata');
          refuseMany(core, Object.keys(present).length + 1);
          await tx
            .insertInto('secret_metadatum')
            .values({ secret_id: id, name: key, value })
            .execute();
        });
        const headers = { Location: `${refTo(request, id)}/${key}` };
        return { status: 201, headers, body: { key, value } };
      },
    }),
    route({
      method: 'GET',
      path: one,
      policy: 'secret_meta:get',
      target,
      handle: async (request) => {
        const { id } = await secretOf(core, request);
        const key = parameter(request, 'key');
        const present = await metadataOf(core.db, id);
        if (!Object.hasOwn(present, key)) throw noMetadata();
        return { body: { key, value: present[key] } };
      },
    }),
    route({
      method: 'PUT',
      path: one,
      policy: 'secret_meta:put',
      target,
      mediaTypes: json,
      body: pair,
      handle: async (request) => {
        const { id } = await secretOf(core, request);
        const named = parameter(request, 'key');
        const key = checkedKey(request.body.key);
        const { value } = request.body;
        await core.change(async (tx) => {
          if (!Object.hasOwn(await metadataOf(tx, id), named)) throw noMetadata();
          if (key !== named)
            throw conflict('Key in request data does not match key in the request url.');
          await tx
            .updateTable('secret_metadatum')
            .set({ value })
            .where('secret_id', '=', id)
            .where('name', '=', key)
            .execute();
        });
        return { body: { key, value } };
      },
    }),
    route({
      method: 'DELETE',
      path: one,
      policy: 'secret_meta:delete',
      target,
      handle: async (request) => {
        const { id } = await secretOf(core, request);
        const { numDeletedRows } = await core.db
          .deleteFrom('secret_metadatum')
          .where('secret_id', '=', id)
          .where('name', '=', parameter(request, 'key'))
          .executeTakeFirst();
        if (numDeletedRows === 0n) throw noMetadata();
        return { status: 204 };
      },
    }),
  ];
}

async function metadataOf(db: SecretCore['db'] | Tx, id: string): Promise<Record<string, string>> {
  const rows = await db
    .selectFrom('secret_metadatum')
    .selectAll()
    .where('secret_id', '=', id)
    .orderBy('name')
    .execute();
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

function checkedKey(key: string): string {
  if (!/^[A-Za-z0-9_-]{1,255}$/.test(key)) throw invalid('Invalid Key. Key must be URL safe.');
  return key.toLowerCase();
}

function checkedAll(
  core: SecretCore,
  given: Readonly<Record<string, unknown>>,
): Record<string, string> {
  refuseMany(core, Object.keys(given).length);
  const checked: Record<string, string> = {};
  for (const [key, value] of Object.entries(given)) {
    const name = checkedKey(key);
    if (typeof value !== 'string')
      throw invalid('Invalid Metadata. Keys and Values must be Strings.');
    if (value.length > 255) throw invalid('Invalid Metadata. A value has at most 255 characters.');
    checked[name] = value;
  }
  return checked;
}

function refuseMany(core: SecretCore, count: number): void {
  const most = core.settings.metadataMax;
  if (count > most) throw invalid(`A secret may have ${most} metadata items.`);
}
