/** EC2 key pairs of users (OS-EC2), which are the S3 keys. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import type { CredentialRow } from '../../tables.ts';
import { findUser } from '../actors/users.ts';
import * as fields from '../fields.ts';
import { findProject } from '../projects/projects.ts';
import { found, listReply, type View } from '../views.ts';
import {
  delegatorOf,
  findByAccessKey,
  insertKeyPair,
  keyPairOf,
  newKeyPair,
  refuseDelegated,
  refuseRestricted,
} from './credentials.ts';

function ec2View(core: IdentityCore, request: Request, row: CredentialRow): View {
  const pair = keyPairOf(core, row);
  const path = `/v3/users/${row.user_id}/credentials/OS-EC2/${pair?.accessKey ?? row.id}`;
  return {
    user_id: row.user_id,
    tenant_id: row.project_id,
    access: pair?.accessKey,
    secret: pair?.secretKey,
    trust_id: null,
    links: { self: `${request.baseUrl}${path}` },
  };
}

export function ec2Routes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const target = async (request: Request) => {
    const user = await findUser(db, parameter(request, 'user_id'));
    return { target: { user: user && { id: user.id } } };
  };
  const theUser = async (request: Request) => {
    const id = parameter(request, 'user_id');
    return found(await findUser(db, id), 'user', id);
  };
  const theKey = async (request: Request, from: Db) => {
    const access = parameter(request, 'access');
    const row = await findByAccessKey(from, access);
    // Somebody else's key is as unknown as none.
    const own = row?.user_id === parameter(request, 'user_id') ? row : undefined;
    return found(own, 'credential', access);
  };
  return [
    route({
      method: 'GET',
      path: '/v3/users/:user_id/credentials/OS-EC2',
      policy: 'identity:ec2_list_credentials',
      target,
      handle: async (request) => {
        refuseRestricted(request);
        const user = await theUser(request);
        const rows = await db
          .selectFrom('identity_credential')
          .selectAll()
          .where('user_id', '=', user.id)
          .where('type', '=', 'ec2')
          .orderBy('id')
          .limit(core.settings.listMax)
          .execute();
        const views = rows.map((row) => ec2View(core, request, row));
        return listReply(request, 'credentials', views);
      },
    }),
    route({
      method: 'POST',
      path: '/v3/users/:user_id/credentials/OS-EC2',
      policy: 'identity:ec2_create_credential',
      body: Type.Object({ tenant_id: fields.id }),
      target,
      handle: async (request) => {
        const user = await theUser(request);
        const projectId = request.body.tenant_id;
        found(await findProject(db, projectId), 'project', projectId);
        const delegator = delegatorOf(request, projectId);
        const row = await core.change((transaction) =>
          insertKeyPair(
            core,
            transaction,
            { userId: user.id, projectId },
            newKeyPair(core.random),
            delegator,
          ),
        );
        return { status: 201, body: { credential: ec2View(core, request, row) } };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/users/:user_id/credentials/OS-EC2/:access',
      policy: 'identity:ec2_get_credential',
      target,
      handle: async (request) => {
        refuseRestricted(request);
        return { body: { credential: ec2View(core, request, await theKey(request, db)) } };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v3/users/:user_id/credentials/OS-EC2/:access',
      policy: 'identity:ec2_delete_credential',
      target,
      handle: async (request) => {
        refuseDelegated(request);
        await core.change(async (transaction) => {
          const { id } = await theKey(request, transaction);
          await transaction.deleteFrom('identity_credential').where('id', '=', id).execute();
        });
        return { status: 204 };
      },
    }),
  ];
}
