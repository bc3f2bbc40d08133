/** Services: what the cloud offers, each with its endpoints. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import type { IdentityCaller } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';
import type { ServiceRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { rowsOf } from '../rows.ts';
import type { View } from '../views.ts';

export const services = rowsOf('identity_service', 'service');

function serviceView({ extra, enabled, ...row }: ServiceRow): View {
  return { ...fields.parseExtra(extra), ...row, enabled: enabled === 1 };
}

const shared = {
  name: Type.Optional(Type.String({ maxLength: 255 })),
  description: Type.Optional(fields.nullable(fields.text)),
  enabled: Type.Optional(fields.flag),
};
const type = Type.String({ minLength: 1, maxLength: 255 });
const known = ['type', 'name', 'description', 'enabled'];

export function serviceRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return collectionRoutes(core, {
    rows: services,
    plural: 'services',
    member: 'service',
    create: Type.Object({ type, ...shared }),
    update: fields.some({ type: Type.Optional(type), ...shared }),
    listing: {
      filters: { name: 'text', type: 'text' },
      sortKeys: ['id', 'name', 'type'],
      defaultSort: 'type',
    },
    view: serviceView,
    fresh: (given) => ({
      id: core.newId(),
      type: given.type,
      name: given.name ?? '',
      description: given.description ?? null,
      enabled: given.enabled === false ? 0 : 1,
      extra: JSON.stringify(fields.extraOf(given, known)),
    }),
    changed: (before, given) => ({
      ...before,
      type: given.type ?? before.type,
      name: given.name ?? before.name,
      description: fields.changed(given.description, before.description),
      enabled: fields.changedFlag(given.enabled, before.enabled),
      extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
    }),
  });
}
