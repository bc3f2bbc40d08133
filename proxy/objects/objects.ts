/**
 * Objects over rows and blobs. A put is: body in (blobs stored, nothing visible) → checks → the row, which is the object →
 * what it replaced goes to the garbage. A conditional one writes its row by compare-and-set.
 */
import type { RowRef, RowValue, StoredRow, WriteOptions } from '#cluster';
import { isFailure } from '#common';
import { borrowedField } from './blob-shares.ts';
import { type StoredBody, storeBody } from './body-writer.ts';
import { checkConditions } from './conditions.ts';
import { decodeContainer } from './containers.ts';
import type { ObjectContext } from './context.ts';
import { deleteObject } from './delete-object.ts';
import { dropPrevious } from './drop-previous.ts';
import { encryptBody } from './encryption/body-cipher.ts';
import { withoutEncryption } from './encryption/object-encryption.ts';
import { objectFailure } from './failures.ts';
import { type Fields, noFields } from './fields.ts';
import { holdBlobs } from './hold-blobs.ts';
import { lendBlobs } from './lend-blobs.ts';
import { checkName, findLive, infoOf, isExpired, missing } from './live-rows.ts';
import { moveObject } from './move-object.ts';
import type {
  CopyObject,
  ObjectFields,
  ObjectInfo,
  ObjectOperations,
  ObjectRef,
  PutObject,
  PutOutcome,
  StoredObject,
  VersionChoice,
  WriteConditions,
} from './object-service.ts';
import { encodeObjectRow, type ObjectRow } from './rows/object-row.ts';
import { containerRef, objectRef } from './rows/tables.ts';
import { openStored } from './stored-object.ts';
import { updateObject } from './update-object.ts';
import { discard as discardVersion } from './versions/delete-version.ts';
import { findVersion, hiddenBy, versionMissing } from './versions/find-version.ts';
import { putVersion } from './versions/put-version.ts';
import { restoreVersion } from './versions/restore-version.ts';
import { versioningOf } from './versions/versioning.ts';

export function createObjects(context: ObjectContext): ObjectOperations {
  return {
    put: (request) => putObject(context, request),
    get: async (ref, choice) => {
      const { row, body } = await findObject(context, ref, choice, true);
      return openStored(context, row, body, choice?.customerKey);
    },
    head: async (ref, choice) => {
      const { row } = await findObject(context, ref, choice, false);
      return await context.encryption.open(row.info);
    },
    update: (ref, change, options) => updateObject(context, ref, change, options ?? {}),
    move: (ref, change, options) => moveObject(context, ref, change, options ?? {}),
    delete: (ref, options) => deleteObject(context, ref, options ?? {}),
    restore: async (ref, { versionId }) => {
      checkName(ref.name);
      if (versioningOf(ref.container) === 'off') throw versionMissing({ ...ref, versionId });
      return await context.cache.writing(ref.container, () =>
        restoreVersion(context, { ...ref, versionId }),
      );
    },
    copy: (request) => copyObject(context, request),
    lend: (request) => lendBlobs(context, request),
    hold: (request) => holdBlobs(context, request),
  };
}

interface Found {
  readonly row: ObjectRow;
  readonly body: Buffer | undefined;
}

const withBody = { body: true };

async function findObject(
  context: ObjectContext,
  ref: ObjectRef,
  choice: VersionChoice | undefined,
  body: boolean,
): Promise<Found> {
  checkName(ref.name);
  const versionId = choice?.versionId;
  const isVersioned = versioningOf(ref.container) !== 'off';
  if (isVersioned && versionId !== undefined) {
    const row = await findVersion(context, { ...ref, versionId });
    // A version outlives the time at which it stops being the current one; what never was one does not.
    if (versionId === 'null' && isExpired(context, row.info))
      throw versionMissing({ ...ref, versionId });
    return { row, body: row.stored.body };
  }
  if (versionId !== undefined && versionId !== 'null') throw versionMissing({ ...ref, versionId });
  const want = body ? withBody : undefined;
  const stored = await context.tables.get(objectRef(ref.container, ref.name), want);
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
    const { encryption } = request;
    if (encryption?.sealsMetadata === true) info = context.encryption.seal(info, encryption.key);
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
  const code = context.coding.codeFor(request.container.policy, request.system);
  if (encryption === undefined) {
    const body = code === undefined ? request : { ...request, code };
    return await storeBody(context, context.settings, body, discard);
  }
  const encrypted = encryptBody(encryption, plain.body);
  const stored = await storeBody(
    context,
    context.settings,
    { ...plain, code, body: encrypted.body },
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

/** What is said of how the source's bytes are kept is not true of the copy's. */
function ownFields(system: Fields): Fields {
  const { [borrowedField]: _, ...fields } = withoutEncryption(system);
  return fields;
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
    system: ownFields(fields.system ?? noFields),
    // A multipart object's checksum may be one of checksums, which its copy in one piece does not have.
    checksums: info.kind === 'multipart' ? noFields : (fields.checksums ?? info.checksums),
    ...(deleteAtS === undefined ? {} : { deleteAtS }),
    ...(conditions === undefined ? {} : { conditions }),
    ...(mode === undefined ? {} : { mode }),
    ...(encryption === undefined ? {} : { encryption }),
  });
}

export type { StoredObject };
