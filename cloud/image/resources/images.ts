/** Images themselves: create, list, show, change, delete. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { callerOf, type ImageCaller, isAdmin, projectOf, type Request, route } from '../caller.ts';
import { releaseContent } from '../content/contents.ts';
import type { ImageCore, Tx } from '../core.ts';
import { forbidden, imageFailure, imageMissing } from '../failures.ts';
import { enforce, getImage } from '../images/access.ts';
import {
  checkCounts,
  checkFormatChange,
  checkNumbers,
  columnsOf,
  insertImage,
  writeParts,
} from '../images/changing.ts';
import { listImages } from '../images/listing.ts';
import { applyChange, type Change, type Draft, parsePatch, patchTypes } from '../images/patch.ts';
import { reserve } from '../images/quotas.ts';
import { findImage, type ImageRecord } from '../images/records.ts';
import { baseNames, checkImage, reserved } from '../images/schema.ts';
import { imageView, storeId } from '../images/view.ts';
import { importMethods } from '../tasks/methods.ts';

type Document = Readonly<Record<string, unknown>>;

const neverSet = ['direct_url', 'self', 'file', 'schema', 'stores'];

export function imageRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    route({
      method: 'POST',
      path: '/v2/images',
      policy: 'any-token',
      body: Type.Record(Type.String(), Type.Unknown()),
      handle: (request) => createImage(core, request),
    }),
    route({
      method: 'GET',
      path: '/v2/images',
      policy: 'get_images',
      target: (request) => ({ project_id: callerOf(request).projectId }),
      handle: async (request) => {
        refuseNoId(request);
        const { images, next } = await listImages(core, request);
        return { body: listBody(request, images, next) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v2/images',
      policy: 'any-token',
      handle: (request) => {
        refuseNoId(request);
        throw imageFailure('method-not-allowed');
      },
    }),
    route({
      method: 'GET',
      path: '/v2/images/:image_id',
      policy: 'any-token',
      handle: async (request) => ({
        body: imageView(await getImage(core, request, 'get_image')),
      }),
    }),
    route({
      method: 'PATCH',
      path: '/v2/images/:image_id',
      policy: 'any-token',
      body: Type.Unknown(),
      mediaTypes: Object.keys(patchTypes),
      handle: (request) => updateImage(core, request),
    }),
    route({
      method: 'DELETE',
      path: '/v2/images/:image_id',
      policy: 'any-token',
      handle: async (request) => {
        await core.change((tx) => deleteImage(core, tx, request));
        return { status: 204 };
      },
    }),
  ];
}

/** The router takes `/v2/images/` for `/v2/images`; to this API the first is an image whose id is empty. */
function refuseNoId(request: Request): void {
  if (request.url.split('?', 1)[0]?.endsWith('/') === true) throw imageMissing('');
}

function listBody(request: Request, images: readonly ImageRecord[], next: string | undefined) {
  const query = new URLSearchParams(request.query);
  query.delete('marker');
  const linkTo = (parameters: URLSearchParams) => {
    const text = parameters.toString();
    return text === '' ? '/v2/images' : `/v2/images?${text}`;
  };
  const first = linkTo(query);
  if (next !== undefined) query.set('marker', next);
  return {
    images: images.map(imageView),
    first,
    schema: '/v2/schemas/images',
    ...(next === undefined ? {} : { next: linkTo(query) }),
  };
}

async function createImage(core: ImageCore, request: Request<Document>) {
  const { body } = request;
  for (const name of neverSet)
    if (name in body) throw forbidden(`Attribute '${name}' is read-only.`);
  checkImage(body);
  checkNumbers(body);
  const draft = draftOf(body);
  const owner = typeof body.owner === 'string' ? body.owner : projectOf(request);
  const visibility = typeof body.visibility === 'string' ? body.visibility : 'shared';
  mayCreate(request, owner, visibility);
  checkCounts(draft, core.settings);
  const id = typeof body.id === 'string' ? body.id.toLowerCase() : core.newId();
  await core.change(async (tx) => {
    await reserve(core, tx, { id, owner }, { count_total: 1 });
    await insertImage(core, tx, id, { ...columnsOf(body), owner, visibility });
    await writeParts(tx, id, draft);
    await core.tell(tx, 'create', { id, owner }, request);
  });
  const made = await findImage(core, id, { projectId: callerOf(request).projectId });
  if (made === undefined) throw imageMissing(id);
  return {
    status: 201,
    body: imageView(made),
    headers: {
      Location: `${request.baseUrl}/v2/images/${id}`,
      'OpenStack-image-import-methods': importMethods.join(','),
      'OpenStack-image-store-ids': storeId,
    },
  };
}

function draftOf(body: Document): Pick<Draft, 'tags' | 'properties'> {
  const properties = new Map<string, string>();
  for (const [name, value] of Object.entries(body)) {
    if (baseNames.has(name)) continue;
    if (name.length === 0 || name.length > 255)
      throw imageFailure('invalid', {
        why: 'Custom property should not be greater than 255 characters.',
      });
    if (reserved(name)) throw forbidden(`Attribute '${name}' is reserved.`);
    properties.set(name, String(value));
  }
  for (const name of ['status', 'checksum', 'size', 'virtual_size', 'created_at', 'updated_at'])
    if (name in body) throw forbidden(`Attribute '${name}' is read-only.`);
  for (const name of ['os_hash_algo', 'os_hash_value'])
    if (name in body) throw forbidden(`Attribute '${name}' is read-only.`);
  if ('locations' in body) throw forbidden(locationsHidden);
  const tags = Array.isArray(body.tags) ? [...new Set(body.tags.map(String))] : [];
  return { tags, properties };
}

const locationsHidden = "It's not allowed to add or change locations if locations are invisible.";

function mayCreate(request: Request, owner: string | null, visibility: string): void {
  const target = { project_id: owner, owner, visibility };
  if (!request.may('add_image', target)) {
    if (owner !== projectOf(request))
      throw forbidden(`You are not permitted to create images owned by '${owner}'`);
    throw imageFailure('forbidden-action', { action: 'add_image' });
  }
  mayShow(request, visibility, target);
}

function mayShow(request: Request, visibility: unknown, target: Document): void {
  const rule = { public: 'publicize_image', community: 'communitize_image' }[String(visibility)];
  if (rule !== undefined && !request.may(rule, target))
    throw imageFailure('forbidden-action', { action: rule });
}

async function updateImage(core: ImageCore, request: Request) {
  const type =
    String(request.headers['content-type'] ?? '')
      .split(';', 1)[0]
      ?.trim() ?? '';
  const draftVersion = Object.hasOwn(patchTypes, type) ? patchTypes[type] : undefined;
  if (draftVersion === undefined) throw imageFailure('media-type-unsupported', { found: type });
  const changes = parsePatch(request.body, draftVersion);
  await core.change(async (tx) => {
    const image = await getImage(core, request, 'get_image', tx);
    if (changes.length > 0) await applyChanges(core, tx, request, { image, changes });
  });
  return { body: imageView(await getImage(core, request, 'get_image')) };
}

async function applyChanges(
  core: ImageCore,
  tx: Tx,
  request: Request,
  { image, changes }: { readonly image: ImageRecord; readonly changes: readonly Change[] },
): Promise<void> {
  const draft: Draft = { base: {}, tags: image.tags, properties: new Map(image.properties) };
  for (const change of changes) {
    mayChange(request, image, change);
    applyChange(draft, change);
  }
  checkNumbers(draft.base);
  checkFormatChange(image, draft.base);
  checkCounts(draft, core.settings);
  await tx
    .updateTable('image_image')
    .set({ ...columnsOf(draft.base), updated_at_us: core.nowUs() })
    .where('id', '=', image.id)
    .execute();
  await writeParts(tx, image.id, draft);
  await core.tell(tx, 'update', image, request);
  if ('owner' in draft.base) await moveQuota(core, tx, image, draft.base.owner);
}

async function moveQuota(
  core: ImageCore,
  tx: Tx,
  image: ImageRecord,
  owner: unknown,
): Promise<void> {
  await core.quotas.release(tx, image.id);
  const size = image.content_id === null ? 0 : (image.size ?? 0);
  const to = { id: image.id, owner: typeof owner === 'string' ? owner : null };
  await reserve(core, tx, to, { count_total: 1, size_total: size });
}

function mayChange(request: Request, image: ImageRecord, { name, op, value }: Change): void {
  if (name === 'locations') throw forbidden(locationsHidden);
  if (name === 'owner' && op !== 'remove' && !isAdmin(request)) {
    enforce(request, image, 'modify_image');
    throw forbidden("Owner can't be updated by non admin.");
  }
  enforce(request, image, 'modify_image');
  if (name === 'visibility')
    mayShow(request, value, { project_id: image.owner, visibility: value });
}

async function deleteImage(core: ImageCore, tx: Tx, request: Request): Promise<void> {
  const image = await getImage(core, request, 'delete_image', tx);
  if (image.protected === 1)
    throw forbidden(`Image ${image.id} is protected and cannot be deleted.`);
  await tx.deleteFrom('image_image').where('id', '=', image.id).execute();
  await core.quotas.release(tx, image.id);
  await core.tell(tx, 'delete', image, request);
  for (const contentId of [image.content_id, image.staged_id])
    if (contentId !== null) await releaseContent(tx, contentId);
}
