/** Tags of an image, one at a time. */
import type { Route } from '#cloud/api';
import { type ImageCaller, parameter, route } from '../caller.ts';
import type { ImageCore, Tx } from '../core.ts';
import { imageFailure } from '../failures.ts';
import { getImage } from '../images/access.ts';
import { checkCounts } from '../images/changing.ts';
import { checkImage } from '../images/schema.ts';

export function tagRoutes(core: ImageCore): Route<ImageCaller>[] {
  const touch = (tx: Tx, id: string) =>
    tx
      .updateTable('image_image')
      .set({ updated_at_us: core.nowUs() })
      .where('id', '=', id)
      .execute();
  return [
    route({
      method: 'PUT',
      path: '/v2/images/:image_id/tags/:tag_value',
      policy: 'any-token',
      handle: (request) =>
        core.change(async (tx) => {
          const value = parameter(request, 'tag_value');
          checkImage({ tags: [value] });
          const image = await getImage(core, request, 'modify_image', tx);
          const tags = [...new Set([...image.tags, value])];
          checkCounts({ tags, properties: new Map() }, core.settings);
          await tx
            .insertInto('image_tag')
            .values({ image_id: image.id, value })
            .onConflict((clash) => clash.doNothing())
            .execute();
          await touch(tx, image.id);
          return { status: 204 };
        }),
    }),
    route({
      method: 'DELETE',
      path: '/v2/images/:image_id/tags/:tag_value',
      policy: 'any-token',
      handle: (request) =>
        core.change(async (tx) => {
          const value = parameter(request, 'tag_value');
          const image = await getImage(core, request, 'modify_image', tx);
          if (!image.tags.includes(value)) throw imageFailure('route-missing');
          await tx
            .deleteFrom('image_tag')
            .where('image_id', '=', image.id)
            .where('value', '=', value)
            .execute();
          await touch(tx, image.id);
          return { status: 204 };
        }),
    }),
  ];
}
