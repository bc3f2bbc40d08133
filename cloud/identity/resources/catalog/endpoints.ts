/** Endpoints: where a service is reached, in a region, for the public or inside. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import type { IdentityCaller } from '../../caller.ts';
import type { IdentityCore, Tx } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { EndpointRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { rowsOf } from '../rows.ts';
import type { View } from '../views.ts';
import { regions } from './regions.ts';
import { services } from './services.ts';

export const endpoints = rowsOf('identity_endpoint', 'endpoint');

export function endpointView({ extra, enabled, ...row }: EndpointRow): View {
  return { ...fields.parseExtra(extra), ...row, region: row.region_id, enabled: enabled === 1 };
}

const face = Type.Union([Type.Literal('public'), Type.Literal('internal'), Type.Literal('admin')]);
const region = Type.Optional(fields.nullable(Type.String({ maxLength: 255 })));
const shared = { region, region_id: region, enabled: Type.Optional(fields.flag) };
const known = ['interface', 'service_id', 'url', 'region', 'region_id', 'enabled'];

export function endpointRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return collectionRoutes(core, {
    rows: endpoints,
    plural: 'endpoints',
    member: 'endpoint',
    create: Type.Object({ interface: face, service_id: fields.id, url: fields.url, ...shared }),
    update: fields.some({
      interface: Type.Optional(face),
      service_id: Type.Optional(fields.id),
      url: Type.Optional(fields.url),
      ...shared,
    }),
    listing: {
      filters: { interface: 'text', service_id: 'text', region_id: 'text' },
      sortKeys: ['id', 'interface', 'service_id', 'region_id'],
      defaultSort: 'id',
    },
    view: endpointView,
    fresh: async (given, _request, transaction) => ({
      id: core.newId(),
      service_id: given.service_id,
      interface: given.interface,
      region_id: (await regionOf(given, transaction)) ?? null,
      url: given.url,
      enabled: given.enabled === false ? 0 : 1,
      extra: JSON.stringify(fields.extraOf(given, known)),
    }),
    changed: async (before, given, transaction) => ({
      ...before,
      service_id: given.service_id ?? before.service_id,
      interface: given.interface ?? before.interface,
      region_id: fields.changed(await regionOf(given, transaction), before.region_id),
      url: given.url ?? before.url,
      enabled: fields.changedFlag(given.enabled, before.enabled),
      extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
    }),
    check: async (row, _before, transaction) => {
      const missing = (attribute: string) =>
        identityFailure('schema-invalid', {
          detail: `Expecting to find valid ${attribute} in endpoint.`,
        });
      if ((await services.find(transaction, row.service_id)) === undefined)
        throw missing('service_id');
      if (row.region_id !== null && (await regions.find(transaction, row.region_id)) === undefined)
        throw missing('region_id');
    },
  });
}

/** A region named the old way, by `region`, is made when it is not there, as upstream does. */
async function regionOf(
  given: { readonly region?: string | null; readonly region_id?: string | null },
  transaction: Tx,
): Promise<string | null | undefined> {
  const { region: name } = given;
  if (given.region_id !== undefined || name === undefined || name === null)
    return given.region_id === undefined ? name : given.region_id;
  await transaction
    .insertInto('identity_region')
    .values({ id: name, description: '', parent_region_id: null, extra: '{}' })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return name;
}
