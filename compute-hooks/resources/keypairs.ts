/** Key pairs: a user's public keys, made here or brought along. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, callerOf, compute, parameter, type Request } from '../caller.ts';
import type { ComputeCore, Db } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { hold } from '../quotas.ts';
import type { KeypairRow } from '../tables.ts';
import type { View } from './server-views.ts';

export async function findKeypair(
  db: Db,
  userId: string,
  name: string,
): Promise<KeypairRow | undefined> {
  return db
    .selectFrom('compute_keypair')
    .selectAll()
    .where('user_id', '=', userId)
    .where('name', '=', name)
    .executeTakeFirst();
}

const createBody = fields.object({
  keypair: fields.object({
    name: Type.String({ minLength: 1, maxLength: 255 }),
    type: Type.Optional(Type.Enum(['ssh', 'x509'])),
    public_key: Type.Optional(Type.String({ minLength: 1, maxLength: 16_384 })),
    user_id: Type.Optional(fields.text),
  }),
});

/** Another's keys only for administrators, and only from 2.10 on. */
function ownerOf(request: Request, named: string | null | undefined): string {
  const { userId } = callerOf(request);
  return request.minor >= 10 && named ? named : userId;
}

export function keypairRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const owned = (request: Request) => ownerOf(request, request.query.get('user_id'));
  const target = (request: Request) => ({ user_id: owned(request) });
  const theKey = async (request: Request) => {
    const name = parameter(request, 'name');
    const row = await findKeypair(core.db, owned(request), name);
    if (row !== undefined) return row;
    throw computeFailure('missing', {
      why: `Keypair ${name} not found for user ${owned(request)}`,
    });
  };
  return [
    compute({
      method: 'GET',
      path: '/os-keypairs',
      policy: 'os_compute_api:os-keypairs:index',
      target,
      handle: async (request) => {
        const { rows, next } = await listKeys(core, request, owned(request));
        return {
          body: {
            keypairs: rows.map((row) => ({ keypair: keyView(request, row) })),
            ...(next === undefined
              ? {}
              : {
                  keypairs_links: [
                    { rel: 'next', href: `${request.baseUrl}/v2.1/os-keypairs${next}` },
                  ],
                }),
          },
        };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-keypairs/:name',
      policy: 'os_compute_api:os-keypairs:show',
      target,
      handle: async (request) => {
        const row = await theKey(request);
        return {
          body: {
            keypair: {
              ...keyView(request, row),
              user_id: row.user_id,
              id: row.number,
              created_at: fields.stampOf(row.created_at_us),
              deleted: false,
              deleted_at: null,
              updated_at: null,
            },
          },
        };
      },
    }),
    compute({
      method: 'POST',
      path: '/os-keypairs',
      policy: 'os_compute_api:os-keypairs:create',
      body: createBody,
      target: (request) => {
        const body = request.body as { keypair?: { user_id?: string } } | undefined;
        return { user_id: ownerOf(request, body?.keypair?.user_id) };
      },
      handle: async (request) => createKey(core, request, request.body.keypair),
    }),
    compute({
      method: 'DELETE',
      path: '/os-keypairs/:name',
      policy: 'os_compute_api:os-keypairs:delete',
      target,
      handle: async (request) => {
        const row = await theKey(request);
        await core.change(async (transaction) => {
          await transaction.deleteFrom('compute_keypair').where('id', '=', row.id).execute();
          await core.quotas.release(transaction, row.id);
        });
        return { status: request.minor >= 2 ? 204 : 202 };
      },
    }),
  ];
}

function keyView(request: Request, row: KeypairRow): View {
  return {
    name: row.name,
    public_key: row.public_key,
    fingerprint: row.fingerprint,
    ...(request.minor >= 2 ? { type: row.type } : {}),
  };
}

async function listKeys(core: ComputeCore, request: Request, userId: string) {
  const rows = await core.db
    .selectFrom('compute_keypair')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('name')
    .execute();
  if (request.minor < 35) return { rows, next: undefined };
  const marker = request.query.get('marker');
  const start = marker === null ? 0 : rows.findIndex(({ name }) => name === marker) + 1;
  if (marker !== null && start === 0) throw refused(`marker [${marker.slice(0, 64)}] not found`);
  const asked = request.query.get('limit');
  if (asked !== null && !/^\d{1,9}$/.test(asked)) throw refused('limit must be a whole number');
  const limit = Math.min(Number(asked ?? 0) || core.settings.pageMax, core.settings.pageMax);
  const page = rows.slice(start, start + limit);
  const last = page.at(-1);
  const next =
    start + limit < rows.length && last !== undefined
      ? `?limit=${limit}&marker=${encodeURIComponent(last.name)}`
      : undefined;
  return { rows: page, next };
}

async function createKey(
  core: ComputeCore,
  request: Request,
  wanted: { name: string; type?: string; public_key?: string; user_id?: string },
) {
  const { minor } = request;
  const name = wanted.name.trim();
  if (!(minor >= 92 ? /^[\w @.-]+$/ : /^[\w -]+$/).test(name))
    throw refused('Keypair data is invalid: Keypair name contains unsafe characters');
  if (wanted.type === 'x509')
    throw computeFailure('not-implemented', { what: 'Key pairs of type x509' });
  if (wanted.public_key === undefined && minor >= 92)
    throw computeFailure('schema-invalid', {
      detail: "Invalid input for field 'keypair': 'public_key' is a required property",
    });
  const userId = ownerOf(request, wanted.user_id);
  const made = wanted.public_key === undefined ? generateKey() : undefined;
  const public_key = wanted.public_key?.trim() ?? made?.publicKey ?? '';
  const row: KeypairRow = {
    id: core.newId(),
    number: core.random.bytes(4).readUInt32BE() >>> 1,
    user_id: userId,
    name,
    type: 'ssh',
    public_key,
    fingerprint: fingerprintOf(public_key),
    created_at_us: core.clock.nowUs(),
  };
  await core.change(async (transaction) => {
    await hold(core, transaction, { scope: `user:${userId}`, holder: row.id }, { key_pairs: 1 });
    const inserted = await transaction
      .insertInto('compute_keypair')
      .values(row)
      .onConflict((conflict) => conflict.columns(['user_id', 'name']).doNothing())
      .executeTakeFirst();
    if (inserted.numInsertedOrUpdatedRows !== 1n)
      throw computeFailure('refused-conflict', { why: `Key pair '${name}' already exists.` });
  });
  return {
    status: minor >= 2 ? 201 : 200,
    body: {
      keypair: {
        ...keyView(request, row),
        user_id: userId,
        ...(made === undefined ? {} : { private_key: made.privateKey }),
      },
    },
  };
}

/** The MD5 of the key's bytes, which is how upstream still names keys. */
function fingerprintOf(publicKey: string): string {
  const [type = '', data = ''] = publicKey.split(/\s+/);
  const bytes = Buffer.from(data, 'base64');
  // A key begins with its own type, length first.
  const length = bytes.length >= 4 ? bytes.readUInt32BE() : 0;
  if (length === 0 || bytes.subarray(4, 4 + length).toString('latin1') !== type)
    throw refused('Keypair data is invalid: failed to generate fingerprint');
  const hex = createHash('md5').update(bytes).digest('hex');
  return hex.match(/../g)?.join(':') ?? '';
}

function generateKey(): { publicKey: string; privateKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'der' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  return { publicKey: `${openSshOf(publicKey)} Generated-by-Pileus`, privateKey };
}

/** RFC 4253, 6.6: the words of an RSA key, each behind its length. */
function openSshOf(der: Buffer): string {
  let at = readLength(der, 1).next;
  const integers: Buffer[] = [];
  while (at < der.length && integers.length < 2) {
    const { length, next } = readLength(der, at + 1);
    integers.push(der.subarray(next, next + length));
    at = next + length;
  }
  const [modulus = Buffer.alloc(0), exponent = Buffer.alloc(0)] = integers;
  const word = (bytes: Buffer) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(bytes.length);
    return Buffer.concat([size, bytes]);
  };
  const blob = Buffer.concat([word(Buffer.from('ssh-rsa')), word(exponent), word(modulus)]);
  return `ssh-rsa ${blob.toString('base64')}`;
}

function readLength(der: Buffer, at: number): { length: number; next: number } {
  const first = der[at] ?? 0;
  if (first < 0x80) return { length: first, next: at + 1 };
  const bytes = first & 0x7f;
  return { length: der.readUIntBE(at + 1, bytes), next: at + 1 + bytes };
}
