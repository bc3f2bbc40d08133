/** Finding an image for a caller: what he may not see is not there, what he may see but not change is forbidden. */
import type { PolicyTarget } from '#cloud/api';
import { callerOf, parameter, type Request } from '../caller.ts';
import type { Db, ImageCore } from '../core.ts';
import { imageFailure, imageMissing } from '../failures.ts';
import { findImage, type ImageRecord } from './records.ts';

export function targetOf(request: Request, image: ImageRecord): PolicyTarget {
  return {
    project_id: image.owner,
    owner: image.owner,
    visibility: image.visibility,
    member_id: image.isMember ? request.caller?.projectId : undefined,
  };
}

/** Invariant: whoever may not `get_image` learns no more than from an id that was never given out. */
export function enforce(request: Request, image: ImageRecord, rule: string): void {
  const target = targetOf(request, image);
  if (!request.may('get_image', target)) throw imageMissing(image.id);
  if (!request.may(rule, target)) throw imageFailure('forbidden-action', { action: rule });
}

/** The image of the path, which the caller may do `rule` to. */
export async function getImage(
  core: ImageCore,
  request: Request,
  rule: string,
  db?: Db,
): Promise<ImageRecord> {
  const id = parameter(request, 'image_id');
  const { projectId } = callerOf(request);
  const image = await findImage(core, id, { projectId, ...(db === undefined ? {} : { db }) });
  if (image === undefined) throw imageMissing(id);
  enforce(request, image, rule);
  return image;
}
