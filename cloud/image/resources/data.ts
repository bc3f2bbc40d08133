/** An image's bytes: upload, stage, download. */
import { parseRange, type Route } from '#cloud/api';
import { lendForeign } from '#common';
import { type ImageCaller, isAdmin, type Request, route } from '../caller.ts';
import { openContent } from '../content/contents.ts';
import { receiveData, stageData } from '../content/transfers.ts';
import type { ImageCore } from '../core.ts';
import { conflict, forbidden, imageFailure, invalid } from '../failures.ts';
import { getImage } from '../images/access.ts';
import type { ImageRecord } from '../images/records.ts';
import { storeId } from '../images/view.ts';

const octets = ['application/octet-stream'];

export function dataRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    route({
      method: 'PUT',
      path: '/v2/images/:image_id/file',
      policy: 'any-token',
      body: 'stream',
      mediaTypes: octets,
      handle: async (request) => {
        const image = await getImage(core, request, 'upload_image');
        checkStore(request);
        checkReady(image, 'saving');
        await receiveData(core, image, received(request));
        return { status: 204 };
      },
    }),
    route({
      method: 'PUT',
      path: '/v2/images/:image_id/stage',
      policy: 'any-token',
      body: 'stream',
      mediaTypes: octets,
      handle: async (request) => {
        const image = await getImage(core, request, 'modify_image');
        checkReady(image, 'uploading');
        await stageData(core, image, received(request));
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v2/images/:image_id/file',
      policy: 'any-token',
      handle: (request) => download(core, request),
    }),
  ];
}

function received(request: Request<AsyncIterable<Uint8Array>>) {
  const length = request.headers['content-length'];
  return {
    body: lent(request.body),
    ...(length === undefined ? {} : { lengthBytes: Number(length) }),
  };
}

/** The object store lets go of what it has stored, so that an upload leaves no garbage behind. */
async function* lent(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const { buffer, byteOffset, byteLength } of body)
    yield lendForeign(Buffer.from(buffer, byteOffset, byteLength));
}

function checkStore(request: Request): void {
  const store = request.headers['x-image-meta-store'];
  if (store !== undefined && store !== storeId)
    throw invalid(`Unknown scheme '${String(store).slice(0, 64)}' found in URI`);
}

function checkReady(image: ImageRecord, next: string): void {
  const missingOnes = [
    ...(image.disk_format === null ? ['disk_format'] : []),
    ...(image.container_format === null ? ['container_format'] : []),
  ];
  // Staged data may come first and be described later; an import asks for both.
  if (next === 'saving' && missingOnes.length > 0)
    throw invalid(`Properties ${missingOnes.join(', ')} must be set prior to saving data.`);
  if (image.status !== 'queued' && image.status !== 'killed')
    throw conflict(`Image status transition from ${image.status} to ${next} is not allowed`);
}

async function download(core: ImageCore, request: Request) {
  const image = await getImage(core, request, 'download_image');
  if (image.status === 'deactivated' && !isAdmin(request))
    throw forbidden('The requested image has been deactivated. Image data download is forbidden.');
  if (image.content_id === null || image.size === null) return { status: 204 };
  const { content_id: contentId, size } = image;
  const { offset, length, partial } = rangeOf(request, size);
  return {
    status: partial ? 206 : 200,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(length),
      'Accept-Ranges': 'bytes',
      ...(image.checksum === null ? {} : { 'Content-MD5': image.checksum }),
      ...(partial ? { 'Content-Range': `bytes ${offset}-${offset + length - 1}/${size}` } : {}),
    },
    stream: async () => (await openContent(core, contentId)).read(offset, length),
  };
}

/** `Range` as everybody sends it, and `Content-Range` as older clients of this API did. */
function rangeOf(request: Request, size: number) {
  const { range } = request.headers;
  const older = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(
    String(request.headers['content-range'] ?? ''),
  );
  const asked = range ?? (older === null ? undefined : `bytes=${older[1]}-${older[2]}`);
  const parsed = parseRange(asked, size);
  if (parsed === 'unsatisfiable') throw imageFailure('range-invalid', {});
  if (parsed === 'whole') return { offset: 0, length: size, partial: false };
  return { ...parsed, partial: true };
}
