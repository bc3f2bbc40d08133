/** Secret stores: there is one, the cloud's own key store; a project may prefer it. */
import type { ApiReply, Route } from '#cloud/api';
import { parameter, projectOf, type Request, route, type SecretCaller } from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { missing, secretFailure } from '../failures.ts';
import type { StoreRow } from '../tables.ts';
import { refOf, timeOf } from '../views.ts';

const storeName = 'Pileus key store';

export function secretStoreRoutes(core: SecretCore): Route<SecretCaller>[] {
  const preferred = '/v1/secret-stores/:store_id/preferred';
  return [
    route({
      method: 'GET',
      path: '/v1/secret-stores',
      policy: 'secretstores:get',
      handle: async (request) => ({
        body: { secret_stores: [storeView(request, await theStore(core))] },
      }),
    }),
    route({
      method: 'GET',
      path: '/v1/secret-stores/global-default',
      policy: 'secretstores:get_global_default',
      handle: async (request) => ({ body: storeView(request, await theStore(core)) }),
    }),
    route({
      method: 'GET',
      path: '/v1/secret-stores/preferred',
      policy: 'secretstores:get_preferred',
      handle: (request) => readPreferred(core, request),
    }),
    route({
      method: 'GET',
      path: '/v1/secret-stores/:store_id',
      policy: 'secretstore:get',
      handle: async (request) => ({ body: storeView(request, await namedStore(core, request)) }),
    }),
    route({
      method: 'POST',
      path: preferred,
      policy: 'secretstore_preferred:post',
      handle: async (request) => {
        const { id } = await namedStore(core, request);
        await core.db
          .insertInto('secret_preferred_store')
          .values({ project_id: projectOf(request), store_id: id })
          .onConflict((conflict) => conflict.column('project_id').doUpdateSet({ store_id: id }))
          .execute();
        return { status: 204 };
      },
    }),
    route({
      method: 'DELETE',
      path: preferred,
      policy: 'secretstore_preferred:delete',
      handle: async (request) => {
        const { id } = await namedStore(core, request);
        const { numDeletedRows } = await core.db
          .deleteFrom('secret_preferred_store')
          .where('project_id', '=', projectOf(request))
          .where('store_id', '=', id)
          .executeTakeFirst();
        if (numDeletedRows === 0n) throw noPreferred();
        return { status: 204 };
      },
    }),
  ];
}

/** Made at the first start; two controllers at once find the same one. */
export async function ensureStore(core: SecretCore): Promise<void> {
  await core.db
    .insertInto('secret_store')
    .values({ id: core.newId(), name: storeName, created_at_us: core.nowUs() })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}

async function theStore(core: SecretCore): Promise<StoreRow> {
  return await core.db
    .selectFrom('secret_store')
    .selectAll()
    .where('name', '=', storeName)
    .executeTakeFirstOrThrow();
}

async function namedStore(core: SecretCore, request: Request): Promise<StoreRow> {
  const store = await theStore(core);
  if (store.id === parameter(request, 'store_id')) return store;
  throw missing('Not Found. Secret store not found.');
}

const noPreferred = () => missing('Not Found. No preferred secret store defined for this project.');

async function readPreferred(core: SecretCore, request: Request): Promise<ApiReply> {
  const row = await core.db
    .selectFrom('secret_preferred_store')
    .selectAll()
    .where('project_id', '=', projectOf(request))
    .executeTakeFirst();
  if (row === undefined) throw noPreferred();
  return { body: storeView(request, await theStore(core)) };
}

const storeView = (request: Request, row: StoreRow) => ({
  created: timeOf(row.created_at_us),
  updated: timeOf(row.created_at_us),
  status: 'ACTIVE',
  name: row.name,
  global_default: true,
  crypto_plugin: 'aes_256_gcm',
  secret_store_plugin: 'store_crypto',
  secret_store_ref: refOf(request, 'secret-stores', row.id),
});

/** Keys that wrap secrets on their way: no store here has any. */
export function transportKeyRoutes(): Route<SecretCaller>[] {
  return [
    route({
      method: 'GET',
      path: '/v1/transport_keys',
      policy: 'transport_keys:get',
      handle: () => ({ body: { transport_keys: [], total: 0 } }),
    }),
    route({
      method: 'GET',
      path: '/v1/transport_keys/:key_id',
      policy: 'transport_keys:get',
      handle: () => {
        throw missing('Not Found. Transport Key not found.');
      },
    }),
    route({
      method: 'POST',
      path: '/v1/transport_keys',
      policy: 'transport_keys:post',
      handle: () => {
        throw secretFailure('not-implemented', {
          why: 'Secrets travel by TLS: there are no transport keys.',
        });
      },
    }),
  ];
}
