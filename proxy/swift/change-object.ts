/** POST (metadata) and DELETE of an object. */
import { authorize } from './access.ts';
import { deleteLarge } from './bulk-delete.ts';
import { openContainer } from './containers.ts';
import { readMetadata, toFields } from './metadata.ts';
import { readDeleteAt, readKept } from './object-fields.ts';
import { page, refusal } from './refusal.ts';
import { headerOf, type ObjectRequest, type Operation } from './swift-request.ts';
import { decodePercent, fromHeader } from './text.ts';

/** Replaces all metadata of the object; what is not named is gone, except the content type. */
export const postObject: Operation<ObjectRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'write');
  const metadata = toFields(readMetadata(exchange, 'object').set);
  const headers = readKept(exchange);
  const deleteAtS = readDeleteAt(exchange, services.clock.nowUs());
  const type = headerOf(exchange, 'content-type');
  const contentType = type ? fromHeader(type) : undefined;
  const manifest = headerOf(exchange, 'x-object-manifest');
  await services.objects.objects.update({ container, name: path.object }, (present) => ({
    contentType: contentType ?? present.contentType,
    metadata,
    headers,
    system: {
      ...present.system,
      ...(manifest && present.kind === 'dlo'
        ? { 'x-object-manifest': decodePercent(manifest) ?? manifest }
        : {}),
    },
    checksums: present.checksums,
    ...(deleteAtS === undefined ? {} : { deleteAtS }),
  }));
  return page(202);
};

export const deleteObject: Operation<ObjectRequest> = async (request, services) => {
  const { path, query, caller } = request;
  if (query.get('multipart-manifest') === 'delete') return await deleteLarge(request, services);
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'write');
  const ref = { container, name: path.object };
  const { existed: wasThere } = await services.objects.objects.delete(ref, { mode: 'available' });
  if (!wasThere) throw refusal('not-found');
  return { status: 204, headers: {} };
};
