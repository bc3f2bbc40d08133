/** PUT of an object: its bytes, a symlink, or a manifest. */
import { isFailure } from '#common';
import type { Reply } from '../exchange.ts';
import type { Container, ObjectFields, PutObject } from '../objects/index.ts';
import { authorize } from './access.ts';
import { stripQuotes } from './conditional.ts';
import { openContainer } from './containers.ts';
import { encryptionOf } from './encryption.ts';
import { readMetadataFrom, toFields } from './metadata.ts';
import {
  checkObjectName,
  created,
  kindOf,
  readFields,
  readPutConditions,
  requireLength,
} from './object-fields.ts';
import { putManifest } from './put-manifest.ts';
import { putSymlink } from './put-symlink.ts';
import { refusal } from './refusal.ts';
import {
  headerOf,
  type ObjectRequest,
  type Operation,
  type SwiftServices,
} from './swift-request.ts';
import { refuseOlder, writtenAt, writtenUs } from './synced-writes.ts';
import { html, readVersionId } from './version-id.ts';

const reservedHeader =
  'X-Static-Large-Object is a reserved header. To create a static large object add query param multipart-manifest=put.';

export const putObject: Operation<ObjectRequest> = async (request, services) => {
  const { exchange, path, query, caller } = request;
  const conditions = readPutConditions(exchange);
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'write');
  if (headerOf(exchange, 'x-static-large-object') !== undefined)
    throw refusal('bad-request', reservedHeader, html);
  const timeUs = writtenUs(request);
  if (timeUs !== undefined) {
    const older = await refuseOlder(services, { container, name: path.object }, timeUs);
    if (older !== undefined) return older;
  }
  if (query.has('version-id')) return await restore(request, services, container);
  if (query.get('multipart-manifest') === 'put')
    return await putManifest(request, services, container);
  if (headerOf(exchange, 'x-symlink-target') !== undefined)
    return await putSymlink(request, services, container);
  requireLength(exchange, services.settings.objectBytesMax);
  checkObjectName(path.object);
  const etag = headerOf(exchange, 'etag');
  const { length } = exchange.body;
  const small = length !== undefined && length <= services.settings.inlineBytesMax;
  const encryption = await encryptionOf(services);
  const put: PutObject = {
    container,
    name: path.object,
    ...readFields(exchange, path.object, services.clock.nowUs()),
    body: small ? await exchange.body.whole(services.settings.inlineBytesMax) : exchange.body,
    mode: 'available',
    kind: kindOf(exchange),
    ...(encryption === undefined ? {} : { encryption }),
    ...(length === undefined ? {} : { length }),
    ...writtenAt(request),
    ...(etag ? { expectedMd5: stripQuotes(etag) } : {}),
    ...(conditions === undefined ? {} : { conditions }),
    ...(headerOf(exchange, 'trailer') === undefined
      ? {}
      : { onBodyEnd: ({ md5 }) => readTrailers(request, md5) }),
  };
  const { info } = await services.objects.objects.put(put);
  return created(info, info.etag);
};

/** `PUT …?version-id=`: an older version becomes the newest once more. */
async function restore(
  request: ObjectRequest,
  services: SwiftServices,
  container: Container,
): Promise<Reply> {
  const { exchange, path } = request;
  const versionId = readVersionId(request, container, 'container') ?? 'null';
  if (exchange.body.length !== 0)
    throw refusal('bad-request', 'PUT version-id requests require a zero byte body');
  const ref = { container, name: path.object };
  const info = await services.objects.objects.restore(ref, { versionId }).catch((error) => {
    throw isFailure(error, 'missing')
      ? refusal('not-found', 'The specified version does not exist')
      : error;
  });
  return created(info, info.etag);
}

/** Metadata (and an ETag to be checked) that came behind a chunked body. */
function readTrailers({ exchange }: ObjectRequest, md5: string): ObjectFields | undefined {
  const trailers = exchange.body.trailers ?? [];
  const { set } = readMetadataFrom(trailers, 'object');
  for (let at = 0; at < trailers.length; at += 2) {
    if (trailers[at]?.toLowerCase() !== 'etag') continue;
    if (stripQuotes(trailers[at + 1] ?? '').toLowerCase() !== md5) throw refusal('unprocessable');
  }
  return set.size === 0 ? undefined : { metadata: toFields(set) };
}
