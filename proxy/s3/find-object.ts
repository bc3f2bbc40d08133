/** Finds the object of a request for a reader: the version that is meant, whether it may be read, Swift's large objects whole. */
import { isFailure } from '#common';
import {
  assemble,
  type Container,
  isDynamic,
  type ObjectInfo,
  type ObjectPart,
  type ReadChoice,
  readSegments,
  type StoredObject,
  segmentBounds,
} from '../objects/index.ts';
import type { Action } from './access/actions.ts';
import { checkMayDo, findBucket, mayDo } from './access.ts';
import type { S3Request, S3Services } from './context.ts';
import { httpDate } from './http-date.ts';
import { manifestEtag } from './manifest-etag.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';
import { customerKeyOf } from './sse.ts';

export interface Wanted {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
  /** Of an object that is encrypted with a key of its client. */
  readonly customerKey?: Buffer;
  /** What is done with it, and what it is called when a version is named. */
  readonly action: Action;
  readonly versionAction: Action;
}

export interface FoundObject<T> {
  readonly container: Container;
  readonly object: T;
}

/** The object with its bytes. */
export async function openObject(
  wanted: Wanted,
  request: S3Request,
  services: S3Services,
): Promise<FoundObject<StoredObject>> {
  return await find(wanted, request, services, async (container) => {
    const ref = { container, name: wanted.key };
    const stored = await services.objects.objects.get(ref, choiceOf(wanted));
    return { info: stored.info, object: stored };
  }).then(async ({ container, object }) => {
    if (!isManifest(object.info)) return { container, object };
    return { container, object: await assembled(object, container, { request, services }) };
  });
}

/** What it is, without its bytes. */
export async function describeObject(
  wanted: Wanted,
  request: S3Request,
  services: S3Services,
): Promise<FoundObject<ObjectInfo>> {
  const found = await find(wanted, request, services, async (container) => {
    const info = await services.objects.objects.head(
      { container, name: wanted.key },
      choiceOf(wanted),
    );
    // Who has not the key is not told what it would open.
    await services.objects.encryption.keyOf(info.system, wanted.customerKey);
    return { info, object: info };
  });
  if (!isManifest(found.object)) return found;
  const whole = await openObject(wanted, request, services);
  return { container: found.container, object: whole.object.info };
}

/** The same without putting large objects together: for their tags, lists and locks. */
export async function describeStored(
  wanted: Wanted,
  request: S3Request,
  services: S3Services,
): Promise<FoundObject<ObjectInfo>> {
  return await find(wanted, request, services, async (container) => {
    const info = await services.objects.objects.head(
      { container, name: wanted.key },
      choiceOf(wanted),
    );
    return { info, object: info };
  });
}

/** The object of a request that reads it. */
export function readWanted(request: S3Request, action: Action, versionAction: Action): Wanted {
  const customerKey = customerKeyOf(request.head);
  const wanted = wantedOf(request, action, versionAction);
  return customerKey === undefined ? wanted : { ...wanted, customerKey };
}

/** The object of the request itself. */
export function wantedOf(request: S3Request, action: Action, versionAction: Action): Wanted {
  const versionId = request.query.get('versionId');
  checkVersionIdText(versionId);
  return { bucket: request.bucket, key: request.key, versionId, action, versionAction };
}

export function checkVersionIdText(versionId: string | undefined): void {
  if (versionId === '')
    throw invalidArgument('versionId', '', 'Version id cannot be the empty string');
  // Whatever was never given out as one is no version that is missing.
  if (versionId !== undefined && !/^(null|[\w.-]{16,1024})$/.test(versionId))
    throw invalidArgument('versionId', versionId, 'Invalid version id specified');
}

function choiceOf({ versionId, customerKey }: Wanted): ReadChoice {
  return {
    ...(versionId === undefined ? {} : { versionId }),
    ...(customerKey === undefined ? {} : { customerKey }),
  };
}

interface Loaded<T> {
  readonly info: ObjectInfo;
  readonly object: T;
}

async function find<T>(
  wanted: Wanted,
  request: S3Request,
  services: S3Services,
  load: (container: Container) => Promise<Loaded<T>>,
): Promise<FoundObject<T>> {
  const { key, versionId } = wanted;
  const container = await findBucket(wanted.bucket, request, services);
  const action = versionId === undefined ? wanted.action : wanted.versionAction;
  let loaded: Loaded<T>;
  try {
    loaded = await load(container);
  } catch (error) {
    throw seenBy(error, { request, container, wanted, action });
  }
  checkMayDo(request, container, action, { key, info: loaded.info });
  return { container, object: loaded.object };
}

interface Miss {
  readonly request: S3Request;
  readonly container: Container;
  readonly wanted: Wanted;
  readonly action: Action;
}

/** Who may not list a bucket is not told that a name is free; who may not read, nothing at all. */
function seenBy(error: unknown, { request, container, wanted, action }: Miss): unknown {
  if (!isFailure(error, 'missing')) return error;
  const { key, versionId } = wanted;
  const mayList = mayDo(request, container, 's3:ListBucket');
  if (!mayList && !mayDo(request, container, action, { key }))
    return new S3Failure('AccessDenied', { cause: error });
  if (!mayList) return new S3Failure('AccessDenied', { cause: error });
  const marker = error.facts.deleteMarker === true ? { 'x-amz-delete-marker': 'true' } : {};
  const id = error.facts.versionId;
  const headers = { ...marker, ...(typeof id === 'string' ? { 'x-amz-version-id': id } : {}) };
  if (error.code === 'object-missing')
    return new S3Failure('NoSuchKey', { details: { Key: key }, headers, cause: error });
  if (error.code === 'version-missing')
    return new S3Failure('NoSuchVersion', {
      details: { Key: key, VersionId: versionId ?? '' },
      cause: error,
    });
  if (error.code === 'delete-marker') {
    const modifiedUs = Number(error.facts.modifiedUs ?? 0);
    return new S3Failure('MethodNotAllowed', {
      details: { Method: request.head.method, ResourceType: 'DeleteMarker' },
      headers: { ...headers, allow: 'DELETE', 'last-modified': httpDate(modifiedUs) },
      cause: error,
    });
  }
  return error;
}

function isManifest(info: ObjectInfo): boolean {
  return info.kind === 'slo' || isDynamic(info);
}

async function partsOf(stored: StoredObject): Promise<readonly ObjectPart[]> {
  const segments = await readSegments(stored);
  return segments.map((segment, at) => ({
    number: at + 1,
    size: segmentBounds(segment).length,
    etag: segment.hash ?? '',
  }));
}

async function assembled(
  stored: StoredObject,
  { account }: Container,
  { request, services }: { readonly request: S3Request; readonly services: S3Services },
): Promise<StoredObject> {
  const whole = await assemble(
    {
      service: services.objects,
      account,
      mayRead: (container) => {
        if (!mayDo(request, container, 's3:GetObject', { key: '' }))
          throw new S3Failure('AccessDenied');
      },
    },
    stored,
  );
  const { parts: _, ...info } = stored.info;
  const parts =
    info.kind === 'slo' && request.query.has('partNumber') ? await partsOf(stored) : undefined;
  // Its kind, system fields and checksums tell of the manifest, which a copy of the bytes no longer is.
  const seen: ObjectInfo = {
    ...info,
    kind: 'plain',
    size: whole.size,
    etag: manifestEtag(whole.etag),
    system: {},
    checksums: {},
    ...(parts === undefined ? {} : { parts }),
  };
  return { info: seen, inline: undefined, read: whole.read };
}
