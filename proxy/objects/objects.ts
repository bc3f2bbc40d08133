/**
 * Objects over rows and blobs. A put is: body in (blobs stored, nothing visible) → checks → the row, which is the object →
 * what it replaced goes to the garbage. A conditional one writes its row by compare-and-set.
 */
import type { RowRef, RowValue, StoredRow, WriteOptions } from '#cluster';
import { isFailure } from '#common';
import { type StoredBody, storeBody } from './body-writer.ts';
import { checkConditions, checkDeletion } from './conditions.ts';
import { decodeContainer } from './containers.ts';
import type { ObjectContext } from './context.ts';
import { encryptBody } from './encryption/body-cipher.ts';
import {
  encryptionField,
  encryptionFields,
  withoutEncryption,
} from './encryption/object-encryption.ts';
import { objectFailure } from './failures.ts';
import { noFields } from './fields.ts';
import type {
  CopyObject,
  DeleteOptions,
  DeleteOutcome,
  ObjectFields,
  ObjectInfo,
  ObjectKind,
  ObjectOperations,
  ObjectRef,
  PutObject,
  PutOutcome,
  StoredObject,
  UpdateOptions,
  VersionChoice,
  WriteConditions,
} from './object-service.ts';
import { decodeObjectRow, encodeObjectRow, type ObjectRow } from './rows/object-row.ts';
import { containerRef, objectRef } from './rows/tables.ts';
import { publicVersionId } from './rows/version-block.ts';
import { openStored } from './stored-object.ts';
import { deleteVersion, discard as discardVersion } from './versions/delete-version.ts';
import { changeVersion, findVersion, hiddenBy, versionMissing } from './versions/find-version.ts';
import { putMarker, putVersion } from './versions/put-version.ts';
import { toVersionRow } from './versions/version-rows.ts';
import { versioningOf } from './versions/versioning.ts';

export const defaultContentType = 'application/octet-stream';
const nameBytesMax = 1024;

export function createObjects(context: ObjectContext): ObjectOperations {
  return {
    put: (request) => putObject(context, request),
    get: async (ref, choice) => {
      const { row, body } = await findObject(context, ref, { ...choice, body: true });
      return await openStored(context, row, body, choice?.customerKey);
    },
    head: async (ref, choice) =>
      (await findObject(context, ref, { ...choice, body: false })).row.info,
    update: (ref, change, options) => updateObject(context, ref, change, options ?? {}),
    delete: (ref, options) => deleteObject(context, ref, options ?? {}),
    copy: (request) => copyObject(context, request),
  };
}

export function checkName(name: string): void {
  // Three bytes a character at the most, so most names need no count of their bytes.
  const short = name.length * 3 <= nameBytesMax || Buffer.byteLength(name) <= nameBytesMax;
  if (name.length > 0 && short && !name.includes('\0') && name.isWellFormed()) return;
  const facts = { length: name.length };
  throw objectFailure('name-invalid', 'This cannot be the name of an object', { facts });
}

interface Found {
  readonly row: ObjectRow;
  readonly body: Buffer | undefined;
}

async function findObject(
  context: ObjectContext,
  ref: ObjectRef,
  { versionId, body }: VersionChoice & { readonly body: boolean },
): Promise<Found> {
  checkName(ref.name);
  const isVersioned = versioningOf(ref.container) !== 'off';
  if (isVersioned && versionId !== undefined) {
    const row = await findVersion(context, { ...ref, versionId });
    if (isExpired(context, row.info)) throw versionMissing({ ...ref, versionId });
    return { row, body: row.stored.body };
  }
  if (versionId !== undefined && versionId !== 'null') throw versionMissing({ ...ref, versionId });
  const stored = await context.tables.get(objectRef(ref.container, ref.name), { body });
  const live = findLive(context, stored);
  if (live !== undefined) {
    const row = isVersioned ? withVersionId(live) : live;
    return { row, body: stored?.body };
  }
  throw isVersioned ? await hiddenBy(context, ref) : missing(ref);
}

/** A row from before versions were kept is the one called `null`. */
function withVersionId(row: ObjectRow): ObjectRow {
  return row.version === undefined ? { ...row, info: { ...row.info, versionId: 'null' } } : row;
}

function missing(ref: ObjectRef): Error {
  const facts = { container: ref.container.name, object: ref.name };
  return objectFailure('object-missing', 'There is no such object', { facts });
}

function isExpired(context: ObjectContext, info: ObjectInfo): boolean {
  return info.deleteAtS !== undefined && info.deleteAtS * 1_000_000 <= context.clock.nowUs();
}

/** The decoded row, unless there is none or its time has come. */
function findLive(context: ObjectContext, row: StoredRow | undefined): ObjectRow | undefined {
  if (row === undefined) return undefined;
  const decoded = decodeObjectRow(row);
  return isExpired(context, decoded.info) ? undefined : decoded;
}

function liveRow(context: ObjectContext, ref: ObjectRef, row: StoredRow | undefined): ObjectRow {
  const live = findLive(context, row);
  if (live === undefined) throw missing(ref);
  return live;
}

export function infoOf(
  name: string,
  body: { readonly size: number; readonly etag: string; readonly kind: ObjectKind },
  fields: ObjectFields,
  modifiedUs: number,
): ObjectInfo {
  return {
    name,
    kind: body.kind,
    size: body.size,
    etag: body.etag,
    contentType: fields.contentType ?? defaultContentType,
    modifiedUs,
    metadata: fields.metadata ?? noFields,
    headers: fields.headers ?? noFields,
    system: fields.system ?? noFields,
    checksums: fields.checksums ?? noFields,
    ...(fields.deleteAtS === undefined ? {} : { deleteAtS: fields.deleteAtS }),
  };
}

async function putObject(context: ObjectContext, request: PutObject): Promise<PutOutcome> {
  checkName(request.name);
  const startedMs = context.clock.monotonicMs();
  const discard = (blobs: StoredBody['blobs']) =>
    context.garbage.add(undefined, blobs, { own: true });
  if (request.conditions !== undefined) await checkEarly(context, request, request.conditions);
  const stored = await storeObjectBody(context, request, discard);
  let info: ObjectInfo;
  try {
    const later = request.onBodyEnd?.({ size: stored.size, md5: stored.md5 });
    const fields = later === undefined ? withKey(request) : mergeFields(withKey(request), later);
    const body = { size: stored.size, etag: stored.md5, kind: request.kind ?? 'plain' };
    info = infoOf(request.name, body, fields, request.modifiedUs ?? context.clock.nowUs());
    await checkContainer(context, request, startedMs);
  } catch (error) {
    discard(stored.blobs);
    throw error;
  }
  const row: ObjectRow = { info, blobs: stored.blobs };
  return await writeRow(context, request, row, stored.inline);
}

function withKey(request: PutObject): ObjectFields {
  if (request.encryption === undefined) return request;
  return { ...request, system: { ...request.system, ...request.encryption.fields } };
}

/** Encrypted bodies are known by the MD5 of what was sent, so that is computed and compared here. */
async function storeObjectBody(
  context: ObjectContext,
  request: PutObject,
  discard: (blobs: StoredBody['blobs']) => void,
): Promise<StoredBody> {
  const { encryption, expectedMd5, ...plain } = request;
  if (encryption === undefined)
    return await storeBody(context.blobs, context.settings, request, discard);
  const encrypted = encryptBody(encryption, plain.body);
  const stored = await storeBody(
    context.blobs,
    context.settings,
    { ...plain, body: encrypted.body },
    discard,
  );
  const md5 = encrypted.plainMd5();
  if (expectedMd5 === undefined || expectedMd5.toLowerCase() === md5) return { ...stored, md5 };
  discard(stored.blobs);
  throw objectFailure('md5-mismatch', 'The body has another MD5 than was said', {
    facts: { expected: expectedMd5, got: md5 },
  });
}

/** After a long body the container may be gone, deleted by another process: its row would be nobody's. */
async function checkContainer(
  context: ObjectContext,
  { container }: ObjectRef,
  sinceMs: number,
): Promise<void> {
  if (context.clock.monotonicMs() - sinceMs <= context.settings.containerCacheMs) return;
  const row = await context.tables.get(containerRef(container.account, container.name));
  if (row !== undefined && decodeContainer(container.account, row).id === container.id) return;
  throw objectFailure('container-missing', 'The container was deleted meanwhile', {
    facts: { container: container.name },
  });
}

/** Spares the body of a put that cannot succeed; the decision that counts is made when the row is written. */
async function checkEarly(
  context: ObjectContext,
  ref: ObjectRef,
  conditions: WriteConditions,
): Promise<void> {
  const row = await context.tables.get(objectRef(ref.container, ref.name));
  checkConditions(conditions, findLive(context, row)?.info);
}

function mergeFields(fields: ObjectFields, later: ObjectFields): ObjectFields {
  return {
    ...fields,
    ...later,
    metadata: { ...fields.metadata, ...later.metadata },
    headers: { ...fields.headers, ...later.headers },
    system: { ...fields.system, ...later.system },
    checksums: { ...fields.checksums, ...later.checksums },
  };
}

export interface RowWriteRequest extends ObjectRef, WriteOptions {
  readonly conditions?: WriteConditions;
}

/** Makes the object visible. On a refusal its blobs are discarded; on an unknown outcome they are left alone. */
export async function writeRow(
  context: ObjectContext,
  request: RowWriteRequest,
  row: ObjectRow,
  inline: Buffer,
): Promise<PutOutcome> {
  const ref = objectRef(request.container, request.name);
  if (versioningOf(request.container) !== 'off')
    return await writeVersion(context, request, row, inline);
  const meta = encodeObjectRow(row);
  const value: RowValue = { meta, bytes: row.info.size, body: inline };
  let previous: StoredRow | undefined;
  // Until its outcome is known the put may be tried again, and then win over what replaced it meanwhile.
  const release = context.garbage.hold(row.blobs);
  try {
    previous = await context.cache.writing(request.container, () =>
      request.conditions === undefined
        ? putPlain(context, ref, value, request.mode)
        : putConditional(context, ref, value, request.conditions),
    );
  } catch (error) {
    if (isRefusal(error))
      context.garbage.add(undefined, row.uploadId === undefined ? row.blobs : [], { own: true });
    throw error;
  } finally {
    release();
  }
  return { info: row.info, replaced: dropPrevious(context, ref, previous, row) };
}

/** The same where versions are kept. */
async function writeVersion(
  context: ObjectContext,
  request: RowWriteRequest,
  row: ObjectRow,
  inline: Buffer,
): Promise<PutOutcome> {
  const release = context.garbage.hold(row.blobs);
  try {
    const put = await context.cache.writing(request.container, () =>
      putVersion(context, request, row, inline),
    );
    // A repeated completion refers to the same blobs.
    for (const gone of put.gone)
      if (gone.blobs[0]?.id !== row.blobs[0]?.id) await discardVersion(context, request, gone);
    return { info: put.info, replaced: put.existed };
  } catch (error) {
    if (isRefusal(error))
      context.garbage.add(undefined, row.uploadId === undefined ? row.blobs : [], { own: true });
    throw error;
  } finally {
    release();
  }
}

/** Failures after which the row is certainly not there. Of any other, a replica may have it and it may yet win. */
function isRefusal(error: unknown): boolean {
  return (
    isFailure(error) &&
    ['condition-failed', 'object-missing', 'container-missing', 'row-too-large'].includes(
      error.code,
    )
  );
}

async function putPlain(
  context: ObjectContext,
  ref: RowRef,
  value: RowValue,
  mode: WriteOptions['mode'],
): Promise<StoredRow | undefined> {
  const outcome = await context.tables.put(ref, value, mode === undefined ? undefined : { mode });
  return outcome.previous;
}

async function putConditional(
  context: ObjectContext,
  ref: RowRef,
  value: RowValue,
  conditions: WriteConditions,
): Promise<StoredRow | undefined> {
  const outcome = await context.tables.update(ref, (present) => {
    checkConditions(conditions, findLive(context, present)?.info);
    return value;
  });
  return outcome.previous;
}

/** Hands the replaced object's blobs to the garbage; says whether a live one was replaced. */
function dropPrevious(
  context: ObjectContext,
  ref: RowRef,
  previous: StoredRow | undefined,
  next?: ObjectRow,
): boolean {
  if (previous === undefined) return false;
  const old = decodeObjectRow(previous);
  // A repeated completion, or a metadata update, refers to the same blobs.
  const shared = next !== undefined && next.blobs[0]?.id === old.blobs[0]?.id;
  // Of an upload's blobs its parts' rows know as well.
  if (!shared) context.garbage.add(ref, old.blobs, { own: old.uploadId === undefined });
  return !isExpired(context, old.info);
}

async function updateObject(
  context: ObjectContext,
  ref: ObjectRef,
  change: (present: ObjectInfo) => ObjectFields,
  { versionId, keepModified }: UpdateOptions,
): Promise<ObjectInfo> {
  checkName(ref.name);
  const isVersioned = versioningOf(ref.container) !== 'off';
  let info: ObjectInfo | undefined;
  const decide = (present: StoredRow | undefined): RowValue => {
    const live = liveRow(context, ref, present);
    const old = isVersioned && present !== undefined ? toVersionRow(present) : live;
    const body = { size: old.info.size, etag: old.info.etag, kind: old.info.kind };
    const { parts, versionId: id } = old.info;
    const modifiedUs = keepModified === true ? old.info.modifiedUs : context.clock.nowUs();
    info = {
      ...infoOf(ref.name, body, keepEncryption(old.info, change(old.info)), modifiedUs),
      ...(parts === undefined ? {} : { parts }),
      ...(id === undefined ? {} : { versionId: id }),
    };
    const meta = encodeObjectRow({ ...old, info });
    return { meta, bytes: present?.bytes ?? 0, body: present?.body ?? Buffer.alloc(0) };
  };
  if (versionId !== undefined && !isVersioned && versionId !== 'null')
    throw versionMissing({ ...ref, versionId });
  await context.cache.writing(ref.container, async () => {
    if (isVersioned && versionId !== undefined)
      await changeVersion(context, { ...ref, versionId }, decide);
    else await context.tables.update(objectRef(ref.container, ref.name), decide, { body: true });
  });
  if (info === undefined) throw missing(ref);
  return info;
}

/** Without these fields the bytes could not be read any more, whatever else a dialect makes of an object. */
function keepEncryption(present: ObjectInfo, next: ObjectFields): ObjectFields {
  if (present.system[encryptionField] === undefined) return next;
  const kept = encryptionFields.flatMap((name) => {
    const value = present.system[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...next, system: { ...next.system, ...Object.fromEntries(kept) } };
}

async function deleteObject(
  context: ObjectContext,
  target: ObjectRef,
  options: DeleteOptions,
): Promise<DeleteOutcome> {
  checkName(target.name);
  const { mode, conditions, versionId } = options;
  if (versioningOf(target.container) !== 'off')
    return await context.cache.writing(target.container, () =>
      deleteVersioned(context, target, options),
    );
  if (versionId !== undefined && versionId !== 'null') return { existed: false, versionId };
  const ref = objectRef(target.container, target.name);
  const id = versionId === undefined ? {} : { versionId };
  if (conditions === undefined) {
    const { previous } = await context.tables.delete(
      ref,
      mode === undefined ? undefined : { mode },
    );
    return { existed: dropPrevious(context, ref, previous), ...id };
  }
  const { previous } = await context.tables.update(ref, (present) => {
    checkDeletion(conditions, findLive(context, present)?.info, false);
    return present === undefined ? 'keep' : 'delete';
  });
  return { existed: dropPrevious(context, ref, previous), ...id };
}

async function deleteVersioned(
  context: ObjectContext,
  target: ObjectRef,
  { conditions, versionId, bypassGovernance = false }: DeleteOptions,
): Promise<DeleteOutcome> {
  if (versionId !== undefined) {
    const check = (found: ObjectRow): void => {
      if (conditions !== undefined) checkDeletion(conditions, found.info, false);
    };
    return await deleteVersion(context, { ...target, versionId, bypassGovernance, check });
  }
  const put = await putMarker(context, {
    ...target,
    ...(conditions === undefined ? {} : { conditions }),
  });
  if (put === undefined) return { existed: false };
  for (const gone of put.gone) await discardVersion(context, target, gone);
  return { existed: put.existed, versionId: publicVersionId(put.version), deleteMarker: true };
}

async function copyObject(context: ObjectContext, request: CopyObject): Promise<PutOutcome> {
  const { source, target, conditions, mode, encryption } = request;
  const { info } = source;
  const kind = info.kind === 'multipart' ? 'plain' : info.kind;
  const fields: ObjectFields = request.fields ?? info;
  const { deleteAtS } = fields;
  return await putObject(context, {
    container: target.container,
    name: target.name,
    body: source.inline ?? source.read(0, info.size),
    length: info.size,
    kind,
    contentType: fields.contentType ?? info.contentType,
    metadata: fields.metadata ?? noFields,
    headers: fields.headers ?? noFields,
    system: withoutEncryption(fields.system ?? noFields),
    // A multipart object's checksum may be one of checksums, which its copy in one piece does not have.
    checksums: info.kind === 'multipart' ? noFields : (fields.checksums ?? info.checksums),
    ...(deleteAtS === undefined ? {} : { deleteAtS }),
    ...(conditions === undefined ? {} : { conditions }),
    ...(mode === undefined ? {} : { mode }),
    ...(encryption === undefined ? {} : { encryption }),
  });
}

export type { StoredObject };
