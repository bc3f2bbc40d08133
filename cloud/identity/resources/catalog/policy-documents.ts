/** Policies as documents that services may fetch, and which endpoint, service or region each is for (OS-ENDPOINT-POLICY). */
import { sql } from 'kysely';
import Type from 'typebox';
import type { Method, Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { notFound } from '../../failures.ts';
import type { EndpointRow, PolicyAssociationRow, PolicyRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { rowsOf } from '../rows.ts';
import { linked, listReply, type View } from '../views.ts';
import { endpoints, endpointView } from './endpoints.ts';
import { regions } from './regions.ts';
import { services } from './services.ts';

const policies = rowsOf('identity_policy', 'policy');
const blob = Type.String({ maxLength: 65_535 });
const type = Type.String({ maxLength: 255 });
const known = ['blob', 'type'];

const policyView = ({ extra, ...row }: PolicyRow): View => ({
  ...fields.parseExtra(extra),
  ...row,
});

/** The kinds of place a policy can be for, most particular first. */
const kinds = [
  { name: 'endpoint', path: 'endpoints/:endpoint_id' },
  { name: 'region_and_service', path: 'services/:service_id/regions/:region_id' },
  { name: 'service', path: 'services/:service_id' },
] as const;

type Place = Omit<PolicyAssociationRow, 'policy_id'>;

/** The place that a URL names, when all of it is there. */
async function placeOf(request: Request, db: Db): Promise<Place> {
  const { endpoint_id: endpointId, service_id: serviceId, region_id: regionId } = request.params;
  if (endpointId !== undefined) await endpoints.get(db, endpointId);
  if (serviceId !== undefined) await services.get(db, serviceId);
  if (regionId !== undefined) await regions.get(db, regionId);
  return {
    endpoint_id: endpointId ?? '',
    service_id: serviceId ?? '',
    region_id: regionId ?? '',
  };
}

export function policyRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  return [
    ...collectionRoutes(core, {
      rows: policies,
      plural: 'policies',
      member: 'policy',
      create: Type.Object({ blob, type }),
      update: fields.some({ blob: Type.Optional(blob), type: Type.Optional(type) }),
      listing: { filters: { type: 'text' }, sortKeys: ['id', 'type'], defaultSort: 'id' },
      view: policyView,
      fresh: (given) => ({
        id: core.newId(),
        type: given.type,
        blob: given.blob,
        extra: JSON.stringify(fields.extraOf(given, known)),
      }),
      changed: (before, given) => ({
        ...before,
        type: given.type ?? before.type,
        blob: given.blob ?? before.blob,
        extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
      }),
    }),
    ...kinds.flatMap((kind) => associationRoutes(core, kind)),
    route({
      method: 'GET',
      path: '/v3/policies/:policy_id/OS-ENDPOINT-POLICY/endpoints',
      policy: 'identity:list_endpoints_for_policy',
      handle: async (request) => {
        const policy = await policies.get(db, parameter(request, 'policy_id'));
        const all = await endpoints.list(db, sql<boolean>`1 = 1`);
        const views: View[] = [];
        for (const row of all) {
          const inForce = await policyInForce(db, row);
          if (inForce === policy.id) views.push(linked(request, 'endpoints', endpointView(row)));
        }
        return listReply(request, 'endpoints', views);
      },
    }),
    route({
      method: 'GET',
      path: '/v3/endpoints/:endpoint_id/OS-ENDPOINT-POLICY/policy',
      policy: 'identity:get_policy_for_endpoint',
      handle: async (request) => {
        const row = await endpoints.get(db, parameter(request, 'endpoint_id'));
        const id = await policyInForce(db, row);
        if (id === undefined)
          throw notFound('policy', `No policy is associated with endpoint ${row.id}`);
        const policy = await policies.get(db, id);
        return { body: { policy: linked(request, 'policies', policyView(policy)) } };
      },
    }),
  ];
}

function associationRoutes(
  core: IdentityCore,
  kind: (typeof kinds)[number],
): Route<IdentityCaller>[] {
  const { db } = core;
  const path = `/v3/policies/:policy_id/OS-ENDPOINT-POLICY/${kind.path}`;
  const one = (
    method: Method,
    verb: string,
    handle: (policyId: string, place: Place, request: Request) => Promise<void>,
  ) =>
    route({
      method,
      path,
      policy: `identity:${verb}_policy_association_for_${kind.name}`,
      handle: async (request) => {
        const policy = await policies.get(db, parameter(request, 'policy_id'));
        await handle(policy.id, await placeOf(request, db), request);
        return { status: 204 };
      },
    });
  return [
    one('PUT', 'create', async (policyId, place) => {
      await core.change((transaction) =>
        transaction
          .insertInto('identity_policy_association')
          .values({ policy_id: policyId, ...place })
          .onConflict((conflict) =>
            conflict.columns(['endpoint_id', 'service_id', 'region_id']).doUpdateSet({
              policy_id: policyId,
            }),
          )
          .execute(),
      );
    }),
    one('GET', 'check', async (policyId, place) => {
      if ((await policyAt(db, place)) !== policyId) throw notFound('policy association', policyId);
    }),
    one('DELETE', 'delete', async (policyId, place) => {
      await core.change((transaction) =>
        transaction
          .deleteFrom('identity_policy_association')
          .where((where) => where.and({ policy_id: policyId, ...place }))
          .execute(),
      );
    }),
  ];
}

async function policyAt(db: Db, place: Place): Promise<string | undefined> {
  const row = await db
    .selectFrom('identity_policy_association')
    .select('policy_id')
    .where((where) => where.and(place))
    .executeTakeFirst();
  return row?.policy_id;
}

/** The endpoint's own, else its service's in its region or a region around that, else its service's. */
async function policyInForce(db: Db, row: EndpointRow): Promise<string | undefined> {
  const own = await policyAt(db, { endpoint_id: row.id, service_id: '', region_id: '' });
  if (own !== undefined) return own;
  let regionId = row.region_id;
  for (let depth = 0; regionId !== null && depth <= 32; depth++) {
    const place = { endpoint_id: '', service_id: row.service_id, region_id: regionId };
    const found = await policyAt(db, place);
    if (found !== undefined) return found;
    regionId = (await regions.find(db, regionId))?.parent_region_id ?? null;
  }
  return policyAt(db, { endpoint_id: '', service_id: row.service_id, region_id: '' });
}
