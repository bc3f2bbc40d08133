/** Deactivating an image and making it active again; deleting its data from a store. */
import type { Route } from '#cloud/api';
import { type ImageCaller, parameter, route } from '../caller.ts';
import type { ImageCore } from '../core.ts';
import { conflict, forbidden, invalid } from '../failures.ts';
import { getImage } from '../images/access.ts';
import { storeId } from '../images/view.ts';

export function actionRoutes(core: ImageCore): Route<ImageCaller>[] {
  const action = (
    name: 'deactivate' | 'reactivate',
    from: 'active' | 'deactivated',
    to: 'active' | 'deactivated',
  ) =>
    route({
      method: 'POST',
      path: `/v2/images/:image_id/actions/${name}`,
      policy: 'any-token',
      handle: (request) =>
        core.change(async (tx) => {
          const image = await getImage(core, request, name, tx);
          if (image.status !== from && image.status !== to)
            throw invalid(`Not allowed to ${name} image in status '${image.status}'`);
          await tx
            .updateTable('image_image')
            .set({ state: to, updated_at_us: core.nowUs() })
            .where('id', '=', image.id)
            .where('state', '=', from)
            .execute();
          return { status: 204 };
        }),
    });
  return [
    action('deactivate', 'active', 'deactivated'),
    action('reactivate', 'deactivated', 'active'),
    route({
      method: 'DELETE',
      path: '/v2/stores/:store_id/:image_id',
      policy: 'any-token',
      handle: async (request) => {
        const store = parameter(request, 'store_id');
        if (store !== storeId)
          throw conflict(`The selected store ${store.slice(0, 64)} is not available on this node.`);
        const image = await getImage(core, request, 'delete_image_location');
        if (image.status !== 'active')
          throw conflict(
            "It's not allowed to remove image data from store if image status is not 'active'",
          );
        throw forbidden(
          'Cannot delete image data from the only store containing it. Consider deleting the image instead.',
        );
      },
    }),
  ];
}
