/**
 * Uploads: an object put together from parts.
 *
 * 1. `create` writes an upload row `open`; each part stores its blobs and then its own row under the upload's id.
 * 2. `complete` chooses parts, marks the upload `completing` by compare-and-set, writes the object's row, which refers to the
 *    parts' blobs, and only then deletes the upload row and the part rows.
 * 3. `abort` deletes the upload row, which only an `open` one allows, and then parts and their blobs.
 *
 * Invariant: blobs of a part are deleted only when no object row can refer to them: the upload was aborted while `open`, or
 * its object was written from other parts. A crash in between leaves rows that reclaim reads the same way.
 */
import type { RowValue, StoredRow } from '#cluster';
import { afterPrefix, isFailure, messageOf, randomHex } from '#common';
import { storeBody } from './body-writer.ts';
import type { Container } from './container-service.ts';
import type { ObjectContext } from './context.ts';
import { encryptBody } from './encryption/body-cipher.ts';
import { partIvsField } from './encryption/object-encryption.ts';
import { objectFailure } from './failures.ts';
import { type Fields, noFields } from './fields.ts';
import { checkName, defaultContentType, infoOf } from './live-rows.ts';
import type { ObjectFields, ObjectRef, PutOutcome } from './object-service.ts';
import { writeRow } from './objects.ts';
import { encodeJsonRow, JsonRow } from './rows/json-row.ts';
import { type BodyBlob, decodeObjectRow, type ObjectRow } from './rows/object-row.ts';
import { objectRef, partRef, partTable, uploadRef, uploadTable } from './rows/tables.ts';
import { chooseParts, combinedEtag } from './upload-parts.ts';
import type {
  CompleteUpload,
  ListUploads,
  PutPart,
  Upload,
  UploadedPart,
  UploadListEntry,
  UploadRef,
  UploadService,
} from './upload-service.ts';

export const partNumberMax = 10_000;

type UploadState = 'open' | 'completing';

/** Who completes an upload, and since when: two who did it at once would write it twice. */
interface Claim {
  readonly by: string;
  readonly atUs: number;
}

interface UploadRow {
  readonly upload: Upload;
  readonly state: UploadState;
  readonly claim?: Claim;
}

/** A part with where its bytes are. */
export interface PartRow {
  readonly part: UploadedPart;
  readonly blobs: readonly BodyBlob[];
  /** Base64, of a part that is encrypted: where its counter starts. */
  readonly iv?: string;
}

const noBytes = Buffer.alloc(0);

export function createUploads(context: ObjectContext): UploadService {
  return {
    create: (ref, fields) => createUpload(context, ref, fields),
    get: async (ref) => (await getUpload(context, ref)).upload,
    putPart: (request) => putPart(context, request),
    listParts: async (ref, request) => {
      await getUpload(context, ref);
      const { marker = 0, limit } = request;
      const { sort } = partRef(ref.uploadId, marker);
      const page = await context.tables.list({
        table: partTable,
        partition: ref.uploadId,
        marker: sort,
        limit,
      });
      const entries = page.entries.flatMap(({ row }) =>
        row === undefined ? [] : [decodePart(row).part],
      );
      return { entries, more: page.more };
    },
    complete: (request) =>
      context.locks.run(`upload ${request.uploadId}`, () => completeUpload(context, request)),
    abort: (ref) => abortUpload(context, ref),
    list: (container, request) => listUploads(context, container, request),
  };
}

function missing(ref: UploadRef): Error {
  return objectFailure('upload-missing', 'There is no such upload', {
    facts: { container: ref.container.name, object: ref.name, upload: ref.uploadId },
  });
}

function decodeUpload(row: StoredRow): UploadRow {
  const values = new JsonRow('u', row.meta);
  const cut = row.sort.lastIndexOf('\0');
  return {
    upload: {
      name: row.sort.slice(0, cut),
      uploadId: row.sort.slice(cut + 1),
      startedUs: values.number('startedUs'),
      fields: {
        contentType: values.text('contentType'),
        metadata: values.fields('metadata'),
        headers: values.fields('headers'),
        system: values.fields('system'),
      },
    },
    state: values.text('state') === 'open' ? 'open' : 'completing',
    ...claimOf(values.fields('claim')),
  };
}

function claimOf({ by, atUs }: Fields): { readonly claim?: Claim } {
  return by === undefined ? {} : { claim: { by, atUs: Number(atUs) } };
}

function encodeUpload({ upload, state, claim }: UploadRow): RowValue {
  const meta = encodeJsonRow('u', {
    ...{ startedUs: upload.startedUs, ...upload.fields, state },
    ...(claim === undefined ? {} : { claim: { by: claim.by, atUs: String(claim.atUs) } }),
  });
  return { meta, bytes: 0, body: noBytes };
}

function decodePart(row: StoredRow): PartRow {
  const values = new JsonRow('p', row.meta);
  return {
    part: {
      number: Number(row.sort),
      size: values.number('size'),
      etag: values.text('etag'),
      modifiedUs: values.number('modifiedUs'),
      checksums: values.fields('checksums'),
    },
    blobs: partBlobs(row.meta),
    ...values.fields('encryption'),
  };
}

/** What a part's row refers to. */
export function partBlobs(meta: Buffer): readonly BodyBlob[] {
  return new JsonRow('p', meta).pairs('blobs').map(([id, length]) => ({ id, length }));
}

function encodePart({ part, blobs, iv }: PartRow): RowValue {
  const { size, etag, modifiedUs, checksums } = part;
  const pairs = blobs.map((blob) => [blob.id, blob.length]);
  const meta = encodeJsonRow('p', {
    ...{ size, etag, modifiedUs, checksums, blobs: pairs },
    ...(iv === undefined ? {} : { encryption: { iv } }),
  });
  return { meta, bytes: size, body: noBytes };
}

const uploadIdForm = /^[0-9a-f]{32}$/;

async function getUpload(context: ObjectContext, ref: UploadRef): Promise<UploadRow> {
  if (!uploadIdForm.test(ref.uploadId)) throw missing(ref);
  const row = await context.tables.get(uploadRef(ref.container, ref.name, ref.uploadId));
  if (row === undefined) throw missing(ref);
  return decodeUpload(row);
}

async function createUpload(
  context: ObjectContext,
  ref: ObjectRef,
  fields: ObjectFields,
): Promise<Upload> {
  checkName(ref.name);
  const startedUs = context.clock.nowUs();
  // Time first, so that uploads of one name are listed in the order of their start; then what nobody can guess.
  const uploadId = startedUs.toString(16).padStart(14, '0') + randomHex(context.random, 9);
  const upload: Upload = {
    name: ref.name,
    uploadId,
    startedUs,
    fields: {
      contentType: fields.contentType ?? defaultContentType,
      metadata: fields.metadata ?? noFields,
      headers: fields.headers ?? noFields,
      system: fields.system ?? noFields,
    },
  };
  const value = encodeUpload({ upload, state: 'open' });
  await context.cache.writing(ref.container, () =>
    context.tables.put(uploadRef(ref.container, ref.name, uploadId), value),
  );
  return upload;
}

async function putPart(context: ObjectContext, request: PutPart): Promise<UploadedPart> {
  const { number } = request;
  if (!Number.isInteger(number) || number < 1 || number > partNumberMax)
    throw objectFailure('part-number-invalid', 'Parts are numbered from 1 to 10000', {
      facts: { number },
    });
  const { upload, state } = await getUpload(context, request);
  if (state !== 'open') throw completing(request);
  request.onUpload?.(upload.fields.system);
  const key = await context.encryption.forPart(upload.fields.system, request.customerKey);
  const discard = (blobs: readonly BodyBlob[]) => context.garbage.add(undefined, blobs);
  // Parts never go into rows: completing them refers to blobs, and nothing else.
  const settings = { ...context.settings, inlineBytesMax: -1 };
  const { expectedMd5, ...plain } = request;
  const encrypted = key && encryptBody(key, request.body);
  const code = context.coding.codeFor(request.container.policy, upload.fields.system);
  const body = encrypted === undefined ? request : { ...plain, body: encrypted.body };
  const stored = await storeBody(context, settings, { ...body, code }, discard);
  try {
    const md5 = encrypted?.plainMd5() ?? stored.md5;
    if (expectedMd5 !== undefined && expectedMd5.toLowerCase() !== md5)
      throw objectFailure('md5-mismatch', 'The body has another MD5 than was said', {
        facts: { expected: expectedMd5, got: md5 },
      });
    const later = request.onBodyEnd?.({ size: stored.size, md5 });
    const part: UploadedPart = {
      number,
      size: stored.size,
      etag: md5,
      modifiedUs: context.clock.nowUs(),
      checksums: later?.checksums ?? noFields,
    };
    const iv = key && { iv: key.iv.toString('base64') };
    await writePart(context, request, { part, blobs: stored.blobs, ...iv });
    return key === undefined ? part : { ...part, encryption: upload.fields.system };
  } catch (error) {
    if (!isFailure(error, 'unreachable')) discard(stored.blobs);
    throw error;
  }
}

async function writePart(context: ObjectContext, ref: PutPart, row: PartRow): Promise<void> {
  const outcome = await context.tables.put(partRef(ref.uploadId, row.part.number), encodePart(row));
  if (outcome.previous === undefined) return;
  // The upload may be completing with the part that this one replaces; then that one's blobs belong to the object.
  const upload = await context.tables.get(uploadRef(ref.container, ref.name, ref.uploadId));
  const isOpen = upload !== undefined && decodeUpload(upload).state === 'open';
  if (isOpen)
    context.garbage.add(objectRef(ref.container, ref.name), decodePart(outcome.previous).blobs);
}

function completing(ref: UploadRef): Error {
  return objectFailure('upload-completing', 'The upload is being completed', {
    facts: { upload: ref.uploadId },
  });
}

async function allParts(context: ObjectContext, uploadId: string): Promise<readonly PartRow[]> {
  const page = await context.tables.list({
    table: partTable,
    partition: uploadId,
    limit: partNumberMax,
  });
  return page.entries.flatMap(({ row }) => (row === undefined ? [] : [decodePart(row)]));
}

async function completeUpload(
  context: ObjectContext,
  request: CompleteUpload,
): Promise<PutOutcome> {
  const repeated = await findCompleted(context, request);
  if (repeated !== undefined) return repeated;
  const { upload } = await getUpload(context, request);
  const present = await allParts(context, request.uploadId);
  const chosen = chooseParts(request.parts, present, context.settings.partBytesMin);
  const added = request.onParts?.(chosen.map(({ part }) => part));
  await claim(context, request);
  const row = objectOf(context, upload, chosen, added?.checksums ?? noFields);
  let outcome: PutOutcome;
  try {
    outcome = await writeRow(context, request, row, noBytes);
  } catch (error) {
    if (isFailure(error, 'conflict') || isFailure(error, 'missing'))
      await setState(context, request, 'open');
    throw error;
  }
  await context.tables.delete(uploadRef(request.container, request.name, request.uploadId));
  const used = new Set(chosen.map(({ part }) => part.number));
  const rest = present.filter(({ part }) => !used.has(part.number));
  await dropParts(context, request, present, rest);
  return outcome;
}

/** The outcome of an earlier completion of the same upload, when its object is still there. */
async function findCompleted(
  context: ObjectContext,
  ref: UploadRef,
): Promise<PutOutcome | undefined> {
  const open = await context.tables.get(uploadRef(ref.container, ref.name, ref.uploadId));
  if (open !== undefined && decodeUpload(open).state === 'open') return undefined;
  const row = await context.tables.get(objectRef(ref.container, ref.name));
  if (row === undefined) return undefined;
  const decoded = decodeObjectRow(row);
  return decoded.uploadId === ref.uploadId ? { info: decoded.info, replaced: false } : undefined;
}

function objectOf(
  context: ObjectContext,
  upload: Upload,
  chosen: readonly PartRow[],
  checksums: Upload['fields']['metadata'],
): ObjectRow {
  const parts = chosen.map(({ part }) => ({
    number: part.number,
    size: part.size,
    etag: part.etag,
  }));
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  const body = { size, etag: combinedEtag(parts), kind: 'multipart' as const };
  const ivs = chosen.flatMap(({ iv }) => (iv === undefined ? [] : [Buffer.from(iv, 'base64')]));
  const system =
    ivs.length === 0
      ? upload.fields.system
      : { ...upload.fields.system, [partIvsField]: Buffer.concat(ivs).toString('base64') };
  const fields = { ...upload.fields, system, checksums };
  return {
    info: { ...infoOf(upload.name, body, fields, context.clock.nowUs()), parts },
    blobs: chosen.flatMap(({ blobs }) => blobs),
    uploadId: upload.uploadId,
  };
}

/** A process that claimed an upload and was not heard of for this long is not waited for. */
const claimLifeUs = 30_000_000;

/**
 * Marks the upload as being completed by this process, whose own attempts come one after another. Another process's claim stands for a while;
 * so the same parts are not written twice, as two versions of one name.
 */
async function claim(context: ObjectContext, ref: UploadRef): Promise<void> {
  const mine = { by: context.processId, atUs: context.clock.nowUs() };
  await context.tables.update(uploadRef(ref.container, ref.name, ref.uploadId), (present) => {
    if (present === undefined) throw missing(ref);
    const row = decodeUpload(present);
    const other = row.state === 'completing' && row.claim?.by !== mine.by ? row.claim : undefined;
    if (other !== undefined && other.atUs + claimLifeUs > mine.atUs) throw completing(ref);
    return encodeUpload({ ...row, state: 'completing', claim: mine });
  });
}

async function setState(context: ObjectContext, ref: UploadRef, state: UploadState): Promise<void> {
  await context.tables.update(uploadRef(ref.container, ref.name, ref.uploadId), (present) => {
    if (present === undefined) throw missing(ref);
    const row = decodeUpload(present);
    return row.state === state ? 'keep' : encodeUpload({ upload: row.upload, state });
  });
}

/** Deletes the part rows, and the blobs of those in `unused`. What fails here is left to reclaim. */
async function dropParts(
  context: ObjectContext,
  ref: UploadRef,
  parts: readonly PartRow[],
  unused: readonly PartRow[],
): Promise<void> {
  for (const { blobs } of unused) context.garbage.add(objectRef(ref.container, ref.name), blobs);
  const inFlightMax = context.settings.usageInFlightMax;
  for (let at = 0; at < parts.length; at += inFlightMax) {
    const batch = parts.slice(at, at + inFlightMax);
    const outcomes = await Promise.allSettled(
      batch.map(({ part }) => context.tables.delete(partRef(ref.uploadId, part.number))),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined)
      context.log.info({ reason: messageOf(failed.reason) }, 'part rows left to reclaim');
  }
}

async function abortUpload(context: ObjectContext, ref: UploadRef): Promise<void> {
  await getUpload(context, ref);
  await context.tables.update(uploadRef(ref.container, ref.name, ref.uploadId), (present) => {
    if (present === undefined) throw missing(ref);
    if (decodeUpload(present).state !== 'open') throw completing(ref);
    return 'delete';
  });
  const parts = await allParts(context, ref.uploadId);
  await dropParts(context, ref, parts, parts);
}

async function listUploads(
  context: ObjectContext,
  container: Container,
  request: ListUploads,
): Promise<{ entries: readonly UploadListEntry[]; more: boolean }> {
  const page = await context.tables.list({
    table: uploadTable,
    partition: container.id,
    limit: request.limit,
    ...(request.prefix === undefined ? {} : { prefix: request.prefix }),
    ...(request.delimiter === undefined ? {} : { delimiter: request.delimiter }),
    ...uploadsAfter(request),
  });
  const entries = page.entries.map((entry) =>
    entry.row === undefined ? { prefix: entry.prefix } : decodeUpload(entry.row).upload,
  );
  return { entries, more: page.more };
}

function uploadsAfter(request: ListUploads): { marker?: string; from?: string } {
  const { nameMarker, uploadIdMarker, delimiter, prefix = '' } = request;
  if (nameMarker === undefined || nameMarker === '') return {};
  if (uploadIdMarker !== undefined && uploadIdMarker !== '')
    return { marker: `${nameMarker}\0${uploadIdMarker}` };
  const cut = delimiter ? nameMarker.indexOf(delimiter, prefix.length) : -1;
  const collapsed = cut >= 0 && cut + (delimiter?.length ?? 0) === nameMarker.length;
  const after = collapsed ? afterPrefix(nameMarker) : `${nameMarker}\u0001`;
  return after === undefined ? { marker: nameMarker } : { from: after };
}
