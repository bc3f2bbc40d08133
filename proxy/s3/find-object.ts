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
import { checkMayDo, findBucket, mayDo, rememberedBucket } from './access.ts';
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
  const container = await bucketOf(wanted, request, services);
  const action = actionOf(wanted);
  let object: StoredObject;
  try {
    const ref = { container, name: wanted.key };
    object = await services.objects.objects.get(ref, choiceOf(wanted));
  } catch (error) {
    throw seenBy(error, { request, container, wanted, action });
  }
  checkMayDo(request, container, action, { key: wanted.key, info: object.info });
  if (!isManifest(object.info)) return { container, object };
  return { container, object: await assembled(object, container, { request, services }) };
}

/** What it is, without its bytes. */
export async function describeObject(
  wanted: Wanted,
  request: S3Request,
  services: S3Services,
): Promise<FoundObject<ObjectInfo>> {
  const found = await find(wanted, request, services, async (info) => {
    // Who has not the key is not told what it would open.
    await services.objects.encryption.keyOf(info.system, wanted.customerKey);
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
  return await find(wanted, request, services);
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

const currentVersion: ReadChoice = {};

function choiceOf({ versionId, customerKey }: Wanted): ReadChoice {
  if (versionId === undefined && customerKey === undefined) return currentVersion;
  return {
    ...(versionId === undefined ? {} : { versionId }),
    ...(customerKey === undefined ? {} : { customerKey }),
  };
}

function actionOf({ versionId, action, versionAction }: Wanted): Action {
  return versionId === undefined ? action : versionAction;
}

function bucketOf(
  { bucket }: Wanted,
  request: S3Request,
  services: S3Services,
): Container | Promise<Container> {
  return rememberedBucket(bucket, request, services) ?? findBucket(bucket, request, services);
}

/** `check` may refuse what was found before it is asked whether the caller may see it. */
async function find(
  wanted: Wanted,
  request: S3Request,
  services: S3Services,
  check?: (info: ObjectInfo) => Promise<void>,
): Promise<FoundObject<ObjectInfo>> {
  const container = await bucketOf(wanted, request, services);
  const action = actionOf(wanted);
  const ref = { container, name: wanted.key };
  let info: ObjectInfo;
  try {
    info = await services.objects.objects.head(ref, choiceOf(wanted));
    await check?.(info);
  } catch (error) {
    throw seenBy(error, { request, container, wanted, action });
  }
  checkMayDo(request, container, action, { key: wanted.key, info });
  return { container, object: info };
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
