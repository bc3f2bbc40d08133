/** POST (metadata) and DELETE of an object. */
import { isFailure } from '#common';
import { linkEtagField, linkTarget, type ObjectRef, versioningOf } from '../objects/index.ts';
import { authorize } from './access.ts';
import { openContainer } from './containers.ts';
import { readMetadata, toFields } from './metadata.ts';
import { readDeleteAt, readKept, readManifest } from './object-fields.ts';
import { locationOf } from './object-path.ts';
import { htmlType, page, refusal, textReply } from './refusal.ts';
import {
  headerOf,
  type ObjectRequest,
  type Operation,
  type SwiftServices,
} from './swift-request.ts';
import { refuseOlder, writtenUs } from './synced-writes.ts';
import { encodePercent, fromHeader } from './text.ts';
import { readVersionId, refuseVersion } from './version-id.ts';

/** Replaces all metadata of the object; what is not named is gone, except the content type. */
export const postObject: Operation<ObjectRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'write');
  refuseVersion(request);
  if (headerOf(exchange, 'x-symlink-target') !== undefined)
    throw refusal('bad-request', 'A PUT request is required to set a symlink target');
  const metadata = toFields(readMetadata(exchange, 'object').set);
  const headers = readKept(exchange);
  const deleteAtS = readDeleteAt(exchange, services.clock.nowUs());
  const type = headerOf(exchange, 'content-type');
  const contentType = type ? fromHeader(type) : undefined;
  const manifest = readManifest(exchange);
  const info = await services.objects.objects.update(
    { container, name: path.object },
    (present) => {
      const { 'x-object-manifest': _, ...system } = present.system;
      return {
        contentType: contentType ?? present.contentType,
        metadata,
        headers,
        system: { ...system, ...manifest },
        checksums: present.checksums,
        ...(deleteAtS === undefined ? {} : { deleteAtS }),
      };
    },
  );
  const target = linkTarget(info.system, path.account);
  if (target === undefined) return page(202);
  const etag = info.system[linkEtagField];
  return textReply(
    307,
    'The requested POST was applied to a symlink. POST directly to the target to apply requested metadata.',
    {
      Location: locationOf(target, exchange.prefix),
      ...(etag === undefined ? {} : { 'X-Symlink-Target-Etag': encodePercent(etag) }),
    },
  );
};

export const deleteObject: Operation<ObjectRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'write');
  const ref = { container, name: path.object };
  const dueAt = headerOf(exchange, 'x-if-delete-at');
  if (dueAt !== undefined) {
    if (!/^\s*[-+]?\d{1,15}\s*$/.test(dueAt))
      throw refusal('bad-request', 'Bad X-If-Delete-At header value');
    const { deleteAtS } = await services.objects.objects.head(ref);
    if (deleteAtS !== Number(dueAt))
      throw refusal('precondition-failed', 'X-If-Delete-At and X-Delete-At do not match');
  }
  const timeUs = writtenUs(request);
  if (timeUs !== undefined) {
    const older = await refuseOlder(services, ref, timeUs);
    if (older !== undefined) return older;
  }
  const versionId = readVersionId(request, container, 'container');
  const outcome = await services.objects.objects.delete(ref, {
    mode: 'available',
    // A marker is made where versions are kept, and not where that is suspended; none before it comes back.
    ...(versionId === undefined && versioningOf(container) === 'enabled'
      ? {}
      : { leaves: 'nothing' as const }),
    ...(versionId === undefined ? {} : { versionId }),
  });
  const headers: Record<string, string> = { 'Content-Type': htmlType };
  if (outcome.versionId !== undefined) headers['X-Object-Version-Id'] = outcome.versionId;
  if (versionId !== undefined && outcome.existed)
    headers['X-Object-Current-Version-Id'] = await currentVersion(ref, services);
  return outcome.existed ? { status: 204, headers } : page(404, headers);
};

async function currentVersion(ref: ObjectRef, { objects }: SwiftServices): Promise<string> {
  try {
    return (await objects.objects.head(ref)).versionId ?? 'null';
  } catch (error) {
    if (isFailure(error, 'missing')) return 'null';
    throw error;
  }
}
