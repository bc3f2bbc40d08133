/** An object as its reader sees it: Swift's large objects put together from their segments, all others as they are. */
import {
  assemble,
  isDynamic,
  type ObjectInfo,
  type ObjectRef,
  type StoredObject,
} from '../objects/index.ts';
import { checkMayGet } from './access.ts';
import type { S3Request, S3Services } from './context.ts';

/** `info.size` and `info.etag` are those of what is read. */
export async function openWhole(
  ref: ObjectRef,
  request: S3Request,
  services: S3Services,
): Promise<StoredObject> {
  const stored = await services.objects.objects.get(ref);
  return isManifest(stored.info) ? await assembled(stored, ref, { request, services }) : stored;
}

export async function describeWhole(
  ref: ObjectRef,
  request: S3Request,
  services: S3Services,
): Promise<ObjectInfo> {
  const info = await services.objects.objects.head(ref);
  return isManifest(info) ? (await openWhole(ref, request, services)).info : info;
}

function isManifest(info: ObjectInfo): boolean {
  return info.kind === 'slo' || isDynamic(info);
}

async function assembled(
  stored: StoredObject,
  ref: ObjectRef,
  { request, services }: { readonly request: S3Request; readonly services: S3Services },
): Promise<StoredObject> {
  const whole = await assemble(
    {
      service: services.objects,
      account: ref.container.account,
      mayRead: (container) => checkMayGet(container, request.caller),
    },
    stored,
  );
  const { parts: _, ...info } = stored.info;
  // Its kind, system fields and checksums tell of the manifest, which a copy of the bytes no longer is.
  const seen: ObjectInfo = {
    ...info,
    kind: 'plain',
    size: whole.size,
    etag: whole.etag,
    system: {},
    checksums: {},
  };
  return { info: seen, inline: undefined, read: whole.read };
}
