/** OAuth 1 consumers: programs that may ask users to delegate to them. */
import Type from 'typebox';
import type { Route } from '../../../api/index.ts';
import type { IdentityCaller } from '../../caller.ts';
import { route } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { ConsumerRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import * as fields from '../fields.ts';
import { rowsOf } from '../rows.ts';
import { linked, type View } from '../views.ts';

export const consumers = rowsOf('identity_consumer', 'consumer');

const purposeOf = (id: string) => `consumer ${id}`;

export const consumerSecret = (core: IdentityCore, row: ConsumerRow): string =>
  core.sealer.open(purposeOf(row.id), row.sealed_secret);

const shared = { description: Type.Optional(fields.nullable(fields.text)) };
const known = ['description', 'secret'];

const consumerView = (row: ConsumerRow): View => ({
  ...fields.parseExtra(row.extra),
  id: row.id,
  description: row.description,
});

export function consumerRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return [
    ...collectionRoutes(core, {
      rows: consumers,
      plural: 'consumers',
      member: 'consumer',
      prefix: '/OS-OAUTH1',
      verbs: ['list', 'get', 'update', 'delete'],
      create: Type.Object(shared),
      update: fields.some(shared),
      listing: { filters: {}, sortKeys: ['id'], defaultSort: 'id' },
      view: consumerView,
      fresh: () => {
        throw identityFailure('method-not-allowed');
      },
      changed: (before, given) => {
        if ('secret' in given)
          throw identityFailure('schema-invalid', { detail: 'Cannot change consumer secret' });
        return {
          ...before,
          description: fields.changed(given.description, before.description),
          extra: fields.mergeExtra(before.extra, fields.extraOf(given, known)),
        };
      },
    }),
    route({
      method: 'POST',
      path: '/v3/OS-OAUTH1/consumers',
      policy: 'identity:create_consumer',
      body: Type.Object({ consumer: Type.Object(shared) }),
      handle: async (request) => {
        const { consumer } = request.body;
        const id = core.newId();
        const secret = core.random.bytes(32).toString('hex');
        const row: ConsumerRow = {
          id,
          description: consumer.description ?? null,
          sealed_secret: core.sealer.seal(purposeOf(id), secret),
          extra: JSON.stringify(fields.extraOf(consumer, known)),
        };
        await core.change((transaction) => consumers.insert(transaction, row));
        // The secret is told this once.
        const view = linked(request, 'OS-OAUTH1/consumers', consumerView(row));
        return { status: 201, body: { consumer: { ...view, secret } } };
      },
    }),
  ];
}
