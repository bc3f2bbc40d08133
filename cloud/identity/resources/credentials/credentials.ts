/** Credentials of users: EC2 key pairs (which are the S3 keys), and others as opaque blobs, sealed at rest. */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import Type from 'typebox';
import type { Random } from '#common';
import type { Route } from '../../../api/index.ts';
import { callerOf, type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore, Tx } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { CredentialRow } from '../../tables.ts';
import { findUser } from '../actors/users.ts';
import * as fields from '../fields.ts';
import { findProject } from '../projects/projects.ts';
import { onDuplicate } from '../removal.ts';
import { isDelegated } from '../roles/delegation.ts';
import { rowsOf } from '../rows.ts';
import { found, linked, listReply, readPage, type View } from '../views.ts';

export interface KeyPair {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** What a key pair's blob holds. */
export interface StoredKeyPair extends KeyPair {
  /** The application credential that made it, and whose limits it keeps. */
  readonly applicationCredentialId: string | undefined;
}

const upper = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const alphanumeric = `${upper}abcdefghijklmnopqrstuvwxyz`;

const pick = (random: Random, from: string, count: number) =>
  Array.from({ length: count }, () => from.charAt(random.below(from.length))).join('');

/** Letters and digits only: a slash or a plus sign in a secret breaks half of the tools that carry it. */
export function newKeyPair(random: Random): KeyPair {
  return { accessKey: pick(random, upper, 20), secretKey: pick(random, alphanumeric, 40) };
}

export const credentialIdOf = (accessKey: string) =>
  createHash('sha256').update(accessKey).digest('hex');

const purposeOf = (id: string) => `credential ${id}`;

export async function insertKeyPair(
  core: IdentityCore,
  transaction: Tx,
  owner: { readonly userId: string; readonly projectId: string },
  pair: KeyPair,
  applicationCredentialId?: string,
): Promise<CredentialRow> {
  const id = credentialIdOf(pair.accessKey);
  const blob = {
    access: pair.accessKey,
    secret: pair.secretKey,
    trust_id: null,
    app_cred_id: applicationCredentialId ?? null,
  };
  const row: CredentialRow = {
    id,
    user_id: owner.userId,
    project_id: owner.projectId,
    type: 'ec2',
    sealed_blob: core.sealer.seal(purposeOf(id), JSON.stringify(blob)),
    extra: '{}',
    access_hash: id,
  };
  await onDuplicate('credential', id, () =>
    transaction.insertInto('identity_credential').values(row).execute(),
  );
  return row;
}

/** What a credential holds, opened. */
export const secretOf = (core: IdentityCore, row: CredentialRow): string =>
  core.sealer.open(purposeOf(row.id), row.sealed_blob);

/** The pair in an EC2 credential; nothing when its blob is not one. */
export function keyPairOf(core: IdentityCore, row: CredentialRow): StoredKeyPair | undefined {
  return pairIn(secretOf(core, row));
}

/** The EC2 credential with an access key, whoever's it is. */
export const findByAccessKey = (db: Db, accessKey: string): Promise<CredentialRow | undefined> =>
  db
    .selectFrom('identity_credential')
    .selectAll()
    .where('access_hash', '=', credentialIdOf(accessKey))
    .where('type', '=', 'ec2')
    .executeTakeFirst();

/**
 * The application credential a new key must be bound to, when the caller's token comes from one. Without this a
 * credential for reading could make, or read, a key with all roles of its user.
 */
export function delegatorOf(request: Request, projectId: string | null): string | undefined {
  const { info } = callerOf(request);
  refuseRestricted(request);
  if (info.applicationCredential === undefined) return undefined;
  if (info.scope.kind !== 'project' || info.scope.id !== projectId)
    throw identityFailure('forbidden', {
      why: 'An application credential makes keys for its own project only.',
    });
  return info.applicationCredential.id;
}

/** Changing a stored key could loosen its binding, so only the user's own log-in may. */
export function refuseDelegated(request: Request): void {
  refuseStandIn(request);
  if (callerOf(request).info.applicationCredential !== undefined)
    throw identityFailure('forbidden', {
      why: 'An application credential cannot change credentials.',
    });
}

/** Who stands for somebody else by a trust or a signature has no business with that one's secrets. */
function refuseStandIn(request: Request): void {
  if (isDelegated(request))
    throw identityFailure('forbidden-action', {
      action: 'Delegated tokens cannot access credentials directly',
    });
}

export function refuseRestricted(request: Request): void {
  refuseStandIn(request);
  if (callerOf(request).info.applicationCredential?.unrestricted === false)
    throw identityFailure('forbidden', {
      why: 'A restricted application credential cannot manage credentials.',
    });
}

function pairIn(blob: string): StoredKeyPair | undefined {
  let value: unknown;
  try {
    value = JSON.parse(blob);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const accessKey: unknown = Reflect.get(value, 'access');
  const secretKey: unknown = Reflect.get(value, 'secret');
  const bound: unknown = Reflect.get(value, 'app_cred_id');
  if (typeof accessKey !== 'string' || typeof secretKey !== 'string') return undefined;
  if (accessKey === '' || secretKey === '') return undefined;
  // A binding that cannot be read binds to nothing that exists, rather than to nothing at all.
  const applicationCredentialId = bound === undefined || bound === null ? undefined : String(bound);
  return { accessKey, secretKey, applicationCredentialId };
}

const credentials = rowsOf('identity_credential', 'credential');

function credentialView(core: IdentityCore, row: CredentialRow): View {
  const { sealed_blob: _, access_hash: __, extra, ...rest } = row;
  const blob = secretOf(core, row);
  return { ...fields.parseExtra(extra), ...rest, blob };
}

const blob = Type.String({ minLength: 1, maxLength: 65_535 });
const kind = Type.String({ minLength: 1, maxLength: 255 });
const known = ['user_id', 'project_id', 'type', 'blob'];

const targetOfRow = (row: CredentialRow | undefined) => ({
  target: { credential: row && { user_id: row.user_id, id: row.id } },
});

export function credentialRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const byId = async (request: Request) =>
    targetOfRow(await credentials.find(db, parameter(request, 'credential_id')));
  const theCredential = (request: Request, from: Db = db) =>
    credentials.get(from, parameter(request, 'credential_id'));
  const reply = (request: Request, row: CredentialRow) => ({
    credential: linked(request, 'credentials', credentialView(core, row)),
  });
  return [
    route({
      method: 'GET',
      path: '/v3/credentials',
      policy: 'any-token',
      handle: async (request) => {
        refuseRestricted(request);
        // Who may not read everybody's sees their own.
        const own = sql<boolean>`user_id = ${callerOf(request).userId}`;
        const page = await readPage<CredentialRow>(
          request,
          db,
          {
            table: 'identity_credential',
            filters: { user_id: 'text', type: 'text', project_id: 'text' },
            sortKeys: ['id', 'type', 'user_id'],
            defaultSort: 'id',
            limitMax: core.settings.listMax,
          },
          request.may('identity:list_credentials') ? [] : [own],
        );
        const views = page.rows.map((row) =>
          linked(request, 'credentials', credentialView(core, row)),
        );
        return listReply(request, 'credentials', views, page.next);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/credentials',
      policy: 'identity:create_credential',
      body: Type.Object({
        credential: Type.Object({
          blob,
          type: kind,
          user_id: Type.Optional(fields.id),
          project_id: Type.Optional(fields.nullable(fields.id)),
        }),
      }),
      target: (request) => ({
        target: {
          credential: { user_id: request.body.credential.user_id ?? request.caller?.userId },
        },
      }),
      handle: async (request) => {
        const { credential } = request.body;
        const caller = callerOf(request);
        const projectId = credential.project_id ?? null;
        const pair = pairIn(credential.blob);
        if (credential.type === 'ec2' && (pair === undefined || projectId === null))
          throw identityFailure('schema-invalid', {
            detail: 'An ec2 credential needs a project_id and a blob with access and secret.',
          });
        const isKeyPair = credential.type === 'ec2' && pair !== undefined;
        const delegator = delegatorOf(request, projectId);
        const blob =
          isKeyPair && delegator !== undefined
            ? JSON.stringify({
                access: pair.accessKey,
                secret: pair.secretKey,
                app_cred_id: delegator,
              })
            : credential.blob;
        const id = isKeyPair ? credentialIdOf(pair.accessKey) : core.newId();
        const row: CredentialRow = {
          id,
          user_id: credential.user_id ?? caller.userId,
          project_id: projectId,
          type: credential.type,
          sealed_blob: core.sealer.seal(purposeOf(id), blob),
          extra: JSON.stringify(fields.extraOf(credential, known)),
          access_hash: isKeyPair ? id : null,
        };
        await core.change(async (transaction) => {
          found(await findUser(transaction, row.user_id), 'user', row.user_id);
          if (projectId !== null)
            found(await findProject(transaction, projectId), 'project', projectId);
          await onDuplicate('credential', id, () =>
            transaction.insertInto('identity_credential').values(row).execute(),
          );
        });
        return { status: 201, body: reply(request, row) };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/credentials/:credential_id',
      policy: 'identity:get_credential',
      target: byId,
      handle: async (request) => {
        refuseRestricted(request);
        return { body: reply(request, await theCredential(request)) };
      },
    }),
    route({
      method: 'PATCH',
      path: '/v3/credentials/:credential_id',
      policy: 'identity:update_credential',
      body: Type.Object({
        credential: Type.Object({
          blob: Type.Optional(blob),
          type: Type.Optional(kind),
          user_id: Type.Optional(fields.id),
          project_id: Type.Optional(fields.nullable(fields.id)),
        }),
      }),
      target: byId,
      handle: async (request) => {
        const { credential } = request.body;
        refuseDelegated(request);
        const row = await core.change(async (transaction) => {
          const before = await theCredential(request, transaction);
          const userId = credential.user_id ?? before.user_id;
          // Nobody may give a credential to somebody else without being allowed to make one there.
          if (
            !request.may('identity:create_credential', {
              target: { credential: { user_id: userId } },
            })
          )
            throw identityFailure('forbidden-action', { action: 'identity:update_credential' });
          const pair = pairIn(credential.blob ?? secretOf(core, before));
          const type = credential.type ?? before.type;
          if (type === 'ec2') refuseNoKey(before, credential, pair);
          found(await findUser(transaction, userId), 'user', userId);
          const after: CredentialRow = {
            ...before,
            user_id: userId,
            project_id:
              credential.project_id === undefined ? before.project_id : credential.project_id,
            type,
            access_hash:
              type === 'ec2' && pair !== undefined ? credentialIdOf(pair.accessKey) : null,
            sealed_blob:
              credential.blob === undefined
                ? before.sealed_blob
                : core.sealer.seal(purposeOf(before.id), credential.blob),
            extra: fields.mergeExtra(before.extra, fields.extraOf(credential, known)),
          };
          await credentials.update(transaction, after);
          return after;
        });
        return { body: reply(request, row) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/credentials/:credential_id',
      policy: 'identity:delete_credential',
      target: byId,
      handle: async (request) => {
        refuseDelegated(request);
        await core.change(async (transaction) => {
          const { id } = await theCredential(request, transaction);
          await transaction.deleteFrom('identity_credential').where('id', '=', id).execute();
        });
        return { status: 204 };
      },
    }),
  ];
}

/** An EC2 credential stays one that opens something. */
function refuseNoKey(
  before: CredentialRow,
  change: { readonly project_id?: string | null },
  pair: StoredKeyPair | undefined,
): void {
  const projectId = change.project_id === undefined ? before.project_id : change.project_id;
  if (pair === undefined || projectId === null)
    throw identityFailure('schema-invalid', {
      detail: 'An ec2 credential needs a project_id and a blob with access and secret.',
    });
}
