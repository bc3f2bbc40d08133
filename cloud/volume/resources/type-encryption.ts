/** Encryption of the volumes of a type. */
import Type, { type Static } from 'typebox';
import type { Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import type { TypeRow } from '../tables.ts';
import { visibleType } from './types.ts';

const path = '/types/:type_id/encryption';
const keySizes = Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: '^[0-9]+$' })]);
const encryptionFields = {
  provider: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  control_location: Type.Optional(
    Type.Union([Type.Literal('front-end'), Type.Literal('back-end')]),
  ),
  cipher: fields.optional(fields.text),
  key_size: fields.optional(keySizes),
};
const createBody = Type.Object(
  {
    encryption: Type.Object(
      { ...encryptionFields, provider: Type.String({ minLength: 1, maxLength: 255 }) },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
const updateBody = Type.Object(
  { encryption: Type.Object(encryptionFields, { additionalProperties: false }) },
  { additionalProperties: false },
);
type Encryption = Static<typeof updateBody>['encryption'] & { encryption_id?: string };

/** The one cipher of encrypted volumes, with two keys of 256 bits: who asks for shorter ones gets no less. */
const cipher = 'aes-xts-plain64';
const sizesOfKeys = [128, 256, 512];

export function typeEncryptionRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const theType = (request: Request) => visibleType(db, request, parameter(request, 'type_id'));
  const save = (row: TypeRow, encryption: Encryption | null) =>
    db
      .updateTable('volume_type')
      .set({
        encryption_json: encryption === null ? null : JSON.stringify(encryption),
        updated_at_us: core.clock.nowUs(),
      })
      .where('id', '=', row.id)
      .execute();
  return [
    ...scoped({
      method: 'GET',
      path,
      policy: 'volume_extension:volume_type_encryption:get',
      handle: async (request) => ({ body: encryptionView(await theType(request)) }),
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:key`,
      policy: 'volume_extension:volume_type_encryption:get',
      handle: async (request) => {
        const view = encryptionView(await theType(request));
        const key = parameter(request, 'key');
        if (!Object.hasOwn(view, key)) throw notFound('Volume type encryption', key);
        return { body: { [key]: view[key] } };
      },
    }),
    ...scoped({
      method: 'POST',
      path,
      policy: 'volume_extension:volume_type_encryption:create',
      body: createBody,
      handle: async (request) => {
        const row = await theType(request);
        await refuseInUse(core, row, 'create');
        if (row.encryption_json !== null)
          throw volumeFailure('refused', {
            why: `Volume type encryption for type ${row.id} already exists.`,
          });
        const wanted = checked(request.body.encryption);
        const encryption = {
          control_location: 'front-end' as const,
          ...wanted,
          encryption_id: core.newId(),
        };
        await save(row, encryption);
        return { body: { encryption: { ...encryption, volume_type_id: row.id } } };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: `${path}/:key`,
      policy: 'volume_extension:volume_type_encryption:update',
      body: updateBody,
      handle: async (request) => {
        const row = await theType(request);
        const present = encryptionOf(row);
        if (present === undefined) throw notFound('Volume type encryption for type', row.id);
        await refuseInUse(core, row, 'update');
        const wanted = checked(request.body.encryption);
        await save(row, { ...present, ...wanted });
        return { body: { encryption: wanted } };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${path}/:key`,
      policy: 'volume_extension:volume_type_encryption:delete',
      handle: async (request) => {
        const row = await theType(request);
        if (row.encryption_json === null) throw notFound('Volume type encryption for type', row.id);
        await refuseInUse(core, row, 'delete');
        await save(row, null);
        return { status: 202 };
      },
    }),
  ];
}

export function encryptionOf(row: TypeRow): Encryption | undefined {
  return row.encryption_json === null ? undefined : (JSON.parse(row.encryption_json) as Encryption);
}

function encryptionView(row: TypeRow): Record<string, unknown> {
  const encryption = encryptionOf(row);
  if (encryption === undefined) return {};
  return {
    volume_type_id: row.id,
    encryption_id: encryption.encryption_id,
    provider: encryption.provider,
    control_location: encryption.control_location ?? 'front-end',
    cipher: encryption.cipher ?? null,
    key_size: encryption.key_size ?? null,
    deleted: false,
    deleted_at: null,
    created_at: fields.timeOf(row.created_at_us),
    updated_at: fields.timeOf(row.updated_at_us),
  };
}

function checked(encryption: Encryption): Encryption {
  const size =
    encryption.key_size === undefined || encryption.key_size === null
      ? undefined
      : Number(encryption.key_size);
  if (typeof encryption.cipher === 'string' && encryption.cipher !== cipher)
    throw volumeFailure('invalid-input', { why: `the cipher of encrypted volumes is ${cipher}` });
  if (size !== undefined && !sizesOfKeys.includes(size))
    throw volumeFailure('invalid-input', {
      why: `the key size is one of ${sizesOfKeys.join(', ')}`,
    });
  return { ...encryption, ...(size === undefined ? {} : { key_size: size }) };
}

async function refuseInUse(core: VolumeCore, row: TypeRow, what: string): Promise<void> {
  const used = await core.db
    .selectFrom('volume')
    .select('id')
    .where('type_id', '=', row.id)
    .executeTakeFirst();
  if (used !== undefined)
    throw volumeFailure('refused', {
      why: `Cannot ${what} encryption specs. Volume type in use.`,
    });
}
