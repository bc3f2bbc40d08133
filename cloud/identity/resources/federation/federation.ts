/** Protocols of identity providers (OS-FEDERATION), and the log-in by one. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure, notFound } from '../../failures.ts';
import type { FederatedLogIns } from '../../federation/federated-log-in.ts';
import type { ProtocolRow } from '../../tables.ts';
import { onDuplicate } from '../removal.ts';
import { tokenView } from '../tokens/token-view.ts';
import { listReply, type View } from '../views.ts';
import { providerRoutes, providers } from './identity-providers.ts';
import { mappingRoutes } from './mappings.ts';

const base = '/v3/OS-FEDERATION';
const closed = { additionalProperties: false } as const;

const newProtocol = Type.Object(
  {
    mapping_id: Type.String({ minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9_-]+$' }),
    remote_id_attribute: Type.Optional(Type.String({ maxLength: 64 })),
  },
  closed,
);

function protocolRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const collection = `${base}/identity_providers/:idp_id/protocols`;
  const member = `${collection}/:protocol_id`;
  const theProvider = (request: Request, from: Db) =>
    providers.get(from, parameter(request, 'idp_id'));
  const theProtocol = async (request: Request, from: Db): Promise<ProtocolRow> => {
    const id = parameter(request, 'protocol_id');
    const row = await from
      .selectFrom('identity_protocol')
      .selectAll()
      .where('idp_id', '=', parameter(request, 'idp_id'))
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw notFound('federated protocol', id);
    return row;
  };
  const show = (request: Request, { idp_id: idpId, ...row }: ProtocolRow): View => {
    const provider = `${request.baseUrl}${base}/identity_providers/${idpId}`;
    const links = { self: `${provider}/protocols/${row.id}`, identity_provider: provider };
    return { ...row, links };
  };
  return [
    route({
      method: 'GET',
      path: collection,
      policy: 'identity:list_protocols',
      handle: async (request) => {
        const { id } = await theProvider(request, db);
        const rows = await db
          .selectFrom('identity_protocol')
          .selectAll()
          .where('idp_id', '=', id)
          .orderBy('id')
          .execute();
        const views = rows.map((row) => show(request, row));
        return listReply(request, 'protocols', views);
      },
    }),
    route({
      method: 'PUT',
      path: member,
      policy: 'identity:create_protocol',
      body: Type.Object({ protocol: newProtocol }),
      handle: async (request) => {
        const given = request.body.protocol;
        const row = await core.change(async (transaction) => {
          const { id } = await theProvider(request, transaction);
          const made: ProtocolRow = {
            idp_id: id,
            id: parameter(request, 'protocol_id'),
            mapping_id: given.mapping_id,
            remote_id_attribute: given.remote_id_attribute ?? null,
          };
          await onDuplicate('federated_protocol', made.id, () =>
            transaction.insertInto('identity_protocol').values(made).execute(),
          );
          return made;
        });
        return { status: 201, body: { protocol: show(request, row) } };
      },
    }),
    route({
      method: 'GET',
      path: member,
      policy: 'identity:get_protocol',
      handle: async (request) => ({
        body: { protocol: show(request, await theProtocol(request, db)) },
      }),
    }),
    route({
      method: 'PATCH',
      path: member,
      policy: 'identity:update_protocol',
      body: Type.Object({
        protocol: Type.Object(
          {
            mapping_id: Type.Optional(newProtocol.properties.mapping_id),
            remote_id_attribute: newProtocol.properties.remote_id_attribute,
          },
          { ...closed, minProperties: 1 },
        ),
      }),
      handle: async (request) => {
        const given = request.body.protocol;
        const row = await core.change(async (transaction) => {
          const before = await theProtocol(request, transaction);
          const after = {
            ...before,
            mapping_id: given.mapping_id ?? before.mapping_id,
            remote_id_attribute: given.remote_id_attribute ?? before.remote_id_attribute,
          };
          await transaction
            .updateTable('identity_protocol')
            .set(after)
            .where('idp_id', '=', before.idp_id)
            .where('id', '=', before.id)
            .execute();
          return after;
        });
        return { body: { protocol: show(request, row) } };
      },
    }),
    route({
      method: 'DELETE',
      path: member,
      policy: 'identity:delete_protocol',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theProtocol(request, transaction);
          await transaction
            .deleteFrom('identity_protocol')
            .where('idp_id', '=', row.idp_id)
            .where('id', '=', row.id)
            .execute();
        });
        return { status: 204 };
      },
    }),
  ];
}

function authRoutes(core: IdentityCore, logIns: FederatedLogIns): Route<IdentityCaller>[] {
  return (['GET', 'POST'] as const).map((method) =>
    route({
      method,
      path: `${base}/identity_providers/:idp_id/protocols/:protocol_id/auth`,
      // The provider's token is the proof.
      policy: 'public',
      handle: async (request) => {
        const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
        if (bearer === undefined) throw identityFailure('unauthorized');
        const { token, info } = await logIns.logIn(
          parameter(request, 'idp_id'),
          parameter(request, 'protocol_id'),
          bearer,
        );
        const view = await tokenView(core, info, true);
        return { status: 201, body: { token: view }, headers: { 'X-Subject-Token': token } };
      },
    }),
  );
}

export function federationRoutes(
  core: IdentityCore,
  logIns: FederatedLogIns,
): Route<IdentityCaller>[] {
  return [
    ...providerRoutes(core),
    ...mappingRoutes(core),
    ...protocolRoutes(core),
    ...authRoutes(core, logIns),
  ];
}
