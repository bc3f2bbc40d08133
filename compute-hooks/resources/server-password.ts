/** The password that a guest has set and told, sealed with its owner's key: kept until it is cleared. */
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { serverTarget, theServer } from '../rows.ts';

export function serverPasswordRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  const path = '/servers/:server_id/os-server-password';
  return [
    compute({
      method: 'GET',
      path,
      policy: 'os_compute_api:os-server-password:show',
      target,
      handle: async (request) => {
        const { password } = await theServer(core, request);
        return { body: { password: password ?? '' } };
      },
    }),
    compute({
      method: 'DELETE',
      path,
      policy: 'os_compute_api:os-server-password:clear',
      target,
      handle: async (request) => {
        const { id } = await theServer(core, request);
        await core.db
          .updateTable('compute_server')
          .set({ password: null })
          .where('id', '=', id)
          .execute();
        return { status: 204 };
      },
    }),
  ];
}
