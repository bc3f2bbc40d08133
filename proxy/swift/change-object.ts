/** POST (metadata) and DELETE of an object. */
import { linkEtagField, linkTarget } from '../objects/index.ts';
import { authorize } from './access.ts';
import { openContainer } from './containers.ts';
import { readMetadata, toFields } from './metadata.ts';
import { readDeleteAt, readKept, readManifest } from './object-fields.ts';
import { locationOf } from './object-path.ts';
import { htmlType, page, refusal, textReply } from './refusal.ts';
import { headerOf, type ObjectRequest, type Operation } from './swift-request.ts';
import { encodePercent, fromHeader } from './text.ts';

/** Replaces all metadata of the object; what is not named is gone, except the content type. */
export const postObject: Operation<ObjectRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'write');
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
      Location: locationOf(target),
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
  const { existed } = await services.objects.objects.delete(ref, { mode: 'available' });
  if (!existed) throw refusal('not-found');
  return { status: 204, headers: { 'Content-Type': htmlType } };
};
