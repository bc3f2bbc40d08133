/** A page of the images that a caller may see. */
import { type RawBuilder, sql } from 'kysely';
import { callerOf, isAdmin, type Request } from '../caller.ts';
import type { ImageCore } from '../core.ts';
import { invalid } from '../failures.ts';
import { filtersOf } from './filters.ts';
import { findImage, type ImageRecord, selectImages, withParts } from './records.ts';
import { afterMarker, type SortKey, sortColumn, sortingOf } from './sorting.ts';

export interface ImagePage {
  readonly images: readonly ImageRecord[];
  /** Where the next page starts; nothing when there is none. */
  readonly next: string | undefined;
}

export async function listImages(core: ImageCore, request: Request): Promise<ImagePage> {
  const { query } = request;
  const nowUs = core.nowUs();
  const sorting = sortingOf(query);
  const limit = limitOf(core, query);
  const conditions = [...visibleTo(request), ...filtersOf(query, nowUs)];
  const marker = query.get('marker');
  if (marker !== null) {
    const values = await markerValues(core, request, marker, sorting);
    conditions.push(afterMarker(sorting, values, nowUs));
  }
  let found = selectImages(core, core.db, callerOf(request).projectId).limit(limit + 1);
  for (const condition of conditions) found = found.where(condition);
  for (const { key, descending } of sorting)
    found = found.orderBy(sortColumn(key, nowUs), descending ? 'desc' : 'asc');
  const rows = limit === 0 ? [] : await found.execute();
  const images = await withParts(core.db, rows.slice(0, limit));
  return { images, next: rows.length > limit ? images.at(-1)?.id : undefined };
}

function limitOf(core: ImageCore, query: URLSearchParams): number {
  const text = query.get('limit');
  if (text === null) return core.settings.limitDefault;
  if (!/^[-+]?\d{1,15}$/.test(text.trim())) throw invalid('limit param must be an integer');
  const limit = Number(text);
  if (limit < 0) throw invalid('limit param must be positive');
  return Math.min(limit, core.settings.limitMax);
}

/**
 * Everybody sees public images, his own, and shared ones whose membership has the status asked for; community images
 * of others only when they are asked for. Administrators see everything, but community images only when asked for too.
 */
function visibleTo(request: Request): RawBuilder<boolean>[] {
  const { projectId = '' } = callerOf(request);
  const memberStatus = request.query.get('member_status') ?? 'accepted';
  if (!['pending', 'accepted', 'rejected', 'all'].includes(memberStatus))
    throw invalid(`Invalid status: ${memberStatus.slice(0, 64)}`);
  const conditions: RawBuilder<boolean>[] = [];
  if (!isAdmin(request)) {
    const ofStatus =
      memberStatus === 'all' ? sql`` : sql`and image_member.status = ${memberStatus}`;
    conditions.push(sql<boolean>`(image_image.visibility in ('public', 'community') or image_image.owner = ${projectId}
      or (image_image.visibility = 'shared' and exists (select 1 from image_member
        where image_member.image_id = image_image.id and image_member.member_id = ${projectId} ${ofStatus})))`);
  }
  if (!request.query.get('visibility'))
    conditions.push(
      sql<boolean>`(image_image.visibility <> 'community' or image_image.owner = ${projectId})`,
    );
  return conditions;
}

async function markerValues(
  core: ImageCore,
  request: Request,
  marker: string,
  sorting: readonly SortKey[],
): Promise<unknown[]> {
  const { projectId } = callerOf(request);
  const image = await findImage(core, marker, { projectId });
  const unseen =
    image === undefined ||
    !request.may('get_image', {
      project_id: image.owner,
      visibility: image.visibility,
      member_id: image.isMember ? projectId : undefined,
    });
  if (unseen) throw invalid(`Marker ${marker.slice(0, 64)} could not be found.`);
  const values: Readonly<Record<string, unknown>> = {
    name: image.name ?? '',
    status: image.status,
    container_format: image.container_format ?? '',
    disk_format: image.disk_format ?? '',
    size: image.size ?? 0,
    id: image.id,
    created_at: image.created_at_us,
    updated_at: image.updated_at_us,
  };
  return sorting.map(({ key }) => values[key]);
}
