/**
 * The meta of an object row (docs/formats/object-row.md): a fixed part with all that a listing shows, so that a page of
 * 10,000 rows decodes without parsing anything, and a JSON tail that most objects do not have.
 */
import { Buffer } from 'node:buffer';
import type { StoredRow } from '#cluster';
import type { ObjectSummary } from '../container-service.ts';
import { objectFailure } from '../failures.ts';
import { type Fields, noFields } from '../fields.ts';
import type { ObjectInfo, ObjectKind, ObjectPart } from '../object-service.ts';
import { ownerField } from './owner.ts';
import { storageClassAt, storageClassCode } from './storage-class.ts';
import {
  hasOwnerFlag,
  publicVersionId,
  type RowVersion,
  readVersionBlock,
  setOwnerFlag,
  versionBlockBytes,
  writeVersionBlock,
} from './version-block.ts';

/** One blob of a body, in order. */
export interface BodyBlob {
  readonly id: string;
  readonly length: number;
}

/** An object row with everything in it. */
export interface ObjectRow {
  readonly info: ObjectInfo;
  readonly blobs: readonly BodyBlob[];
  /** The upload that made it, so that a repeated completion is recognised. */
  readonly uploadId?: string;
  /** Which version of its name it is; absent where versions were never kept. */
  readonly version?: RowVersion;
}

const magic = 0x6f;
const kinds: readonly ObjectKind[] = ['plain', 'multipart', 'slo', 'dlo', 'symlink'];

// Where the fixed fields begin.
const atVersion = 1;
const atKind = 2;
const atStorageClass = 3;
const atSize = 4;
const atModified = 10;
const atDeleteAt = 18;
const atEtag = 24;
const atEtagParts = 40;
const atContentType = 42;
const fixedBytesV1 = 44;
const fixedBytesV2 = fixedBytesV1 + versionBlockBytes;
const sloBytes = 22;
const blobBytes = 20;
/** In version 3 ids have four bytes more: of a blob in fragments how it is coded, else zero. */
const codedBlobBytes = 24;
const idDigits = 32;
const codedIdDigits = 38;
const partBytes = 24;

interface Tail {
  readonly m?: Fields;
  readonly h?: Fields;
  readonly s?: Fields;
  readonly c?: Fields;
  readonly u?: string;
}

function isEmpty(fields: Fields): boolean {
  for (const _ in fields) return false;
  return true;
}

function tailOf(row: ObjectRow): string {
  const { metadata, headers, system, checksums } = row.info;
  if (
    row.uploadId === undefined &&
    isEmpty(metadata) &&
    isEmpty(headers) &&
    isEmpty(system) &&
    isEmpty(checksums)
  )
    return '';
  const tail: Tail = {
    ...(isEmpty(metadata) ? {} : { m: metadata }),
    ...(isEmpty(headers) ? {} : { h: headers }),
    ...(isEmpty(system) ? {} : { s: system }),
    ...(isEmpty(checksums) ? {} : { c: checksums }),
    ...(row.uploadId === undefined ? {} : { u: row.uploadId }),
  };
  return JSON.stringify(tail);
}

/** Names under which a static large object's own figures lie in `system`. */
export const sloSizeField = 'slo-size';
export const sloEtagField = 'slo-etag';

export function encodeObjectRow(row: ObjectRow): Buffer {
  const { info, blobs } = row;
  const parts = info.parts ?? [];
  const tail = tailOf(row);
  const storageClass = storageClassCode(info.system);
  const isOthers = info.system[ownerField] !== undefined;
  const isCoded = blobs.some(({ id }) => id.length > idDigits);
  const isFirst = row.version === undefined && storageClass === 0 && !isOthers && !isCoded;
  const fixedBytes = isFirst ? fixedBytesV1 : fixedBytesV2;
  const typeBytes = Buffer.byteLength(info.contentType);
  const tailBytes = Buffer.byteLength(tail);
  const slo = info.kind === 'slo';
  const total =
    fixedBytes +
    typeBytes +
    (slo ? sloBytes : 0) +
    8 +
    blobs.length * (isCoded ? codedBlobBytes : blobBytes) +
    parts.length * partBytes +
    tailBytes;
  const meta = Buffer.allocUnsafe(total);
  meta[0] = magic;
  meta[atVersion] = isFirst ? 1 : isCoded ? 3 : 2;
  meta[atKind] = kinds.indexOf(info.kind);
  meta[atStorageClass] = storageClass;
  meta.writeUIntBE(info.size, atSize, 6);
  meta.writeDoubleBE(info.modifiedUs, atModified);
  meta.writeUIntBE(info.deleteAtS ?? 0, atDeleteAt, 6);
  meta.write(info.etag, atEtag, 16, 'hex');
  meta.writeUInt16BE(info.etag.length > 33 ? Number(info.etag.slice(33)) : 0, atEtagParts);
  meta.writeUInt16BE(typeBytes, atContentType);
  if (!isFirst) writeVersionBlock(meta, fixedBytesV1, row.version);
  if (isOthers) setOwnerFlag(meta, fixedBytesV1);
  meta.write(info.contentType, fixedBytes);
  let at = fixedBytes + typeBytes;
  if (slo) {
    meta.writeUIntBE(Number(info.system[sloSizeField] ?? 0), at, 6);
    meta.fill(0, at + 6, at + sloBytes);
    meta.write(info.system[sloEtagField] ?? '', at + 6, 16, 'hex');
    at += sloBytes;
  }
  at = meta.writeUInt32BE(blobs.length, at);
  for (const blob of blobs) {
    meta.write(blob.id, at, 16, 'hex');
    at += 16;
    if (isCoded) at = writeCode(meta, at, blob.id);
    at = meta.writeUInt32BE(blob.length, at);
  }
  at = meta.writeUInt32BE(parts.length, at);
  for (const part of parts) {
    meta.writeUInt16BE(part.number, at);
    meta.writeUIntBE(part.size, at + 2, 6);
    meta.write(part.etag, at + 8, 16, 'hex');
    at += partBytes;
  }
  meta.write(tail, at);
  return meta;
}

function writeCode(meta: Buffer, at: number, id: string): number {
  meta.fill(0, at, at + 4);
  meta.write(id.slice(idDigits), at, 3, 'hex');
  return at + 4;
}

function readBlob(meta: Buffer, at: number): BodyBlob {
  if (blobBytesOf(meta) === blobBytes)
    return { id: meta.toString('hex', at, at + 16), length: meta.readUInt32BE(at + 16) };
  const digits = meta[at + 16] === 0 ? idDigits : codedIdDigits;
  return {
    id: meta.toString('hex', at, at + digits / 2),
    length: meta.readUInt32BE(at + 20),
  };
}

function blobBytesOf(meta: Buffer): number {
  return meta[atVersion] === 3 ? codedBlobBytes : blobBytes;
}

function malformed(row: StoredRow, why: string): Error {
  return objectFailure('row-malformed', 'An object row cannot be read', {
    facts: { name: row.sort, why },
  });
}

function check(row: StoredRow): Buffer {
  const { meta } = row;
  if (meta.length < fixedBytesV1) throw malformed(row, 'too short');
  if (meta[0] !== magic) throw malformed(row, 'magic');
  const version = meta[atVersion] ?? 0;
  if (version < 1 || version > 3) throw malformed(row, `version ${version}`);
  if (fixedOf(meta) + meta.readUInt16BE(atContentType) + 8 > meta.length)
    throw malformed(row, 'too short');
  return meta;
}

function fixedOf(meta: Buffer): number {
  return meta[atVersion] === 1 ? fixedBytesV1 : fixedBytesV2;
}

/** The sort key of an older version carries its order behind a NUL. */
function nameOf(sort: string): string {
  const cut = sort.indexOf('\0');
  return cut < 0 ? sort : sort.slice(0, cut);
}

function etagOf(meta: Buffer): string {
  const etag = meta.toString('hex', atEtag, atEtag + 16);
  const count = meta.readUInt16BE(atEtagParts);
  return count === 0 ? etag : `${etag}-${count}`;
}

// A page repeats few content types: the last one is compared before a new string is made.
let lastTypeBytes = Buffer.alloc(0);
let lastType = '';
function contentTypeOf(meta: Buffer): string {
  const start = fixedOf(meta);
  const length = meta.readUInt16BE(atContentType);
  const end = start + length;
  if (length === lastTypeBytes.length && lastTypeBytes.compare(meta, start, end) === 0)
    return lastType;
  lastTypeBytes = Buffer.from(meta.subarray(start, end));
  lastType = meta.toString('utf8', start, end);
  return lastType;
}

/** What a listing shows of a row; only a symlink's target, and an owner that is not the container's, lie in the tail. */
export function decodeSummary(row: StoredRow): ObjectSummary {
  const meta = check(row);
  const summary = {
    name: nameOf(row.sort),
    size: meta.readUIntBE(atSize, 6),
    etag: etagOf(meta),
    contentType: contentTypeOf(meta),
    modifiedUs: meta.readDoubleBE(atModified),
    ...(meta[atStorageClass] === 0 ? {} : { storageClass: storageClassAt(meta[atStorageClass]) }),
    ...(meta[atVersion] === 1 ? {} : keptVersion(meta)),
    ...(meta[atVersion] === 1 || !hasOwnerFlag(meta, fixedBytesV1) ? {} : ownerOf(row)),
    ...checksumsOf(row, meta),
  };
  if (meta[atKind] === 4) return { ...summary, link: decodeObjectRow(row).info.system };
  if (meta[atKind] !== 2) return summary;
  const at = fixedOf(meta) + meta.readUInt16BE(atContentType);
  return {
    ...summary,
    size: meta.readUIntBE(at, 6),
    sloEtag: meta.toString('hex', at + 6, at + sloBytes),
  };
}

const checksumsKey = Buffer.from('"c":{');

/** Most rows have none: the tail is parsed only where they are named in it. */
function checksumsOf(row: StoredRow, meta: Buffer): { readonly checksums?: Fields } {
  const at = tailStart(meta);
  if (at >= meta.length || meta.indexOf(checksumsKey, at) < 0) return {};
  const { c } = parseTail(row, meta.toString('utf8', at));
  return c === undefined || isEmpty(c) ? {} : { checksums: c };
}

function tailStart(meta: Buffer): number {
  const isSlo = meta[atKind] === 2;
  const at = fixedOf(meta) + meta.readUInt16BE(atContentType) + (isSlo ? sloBytes : 0);
  const parts = at + 4 + meta.readUInt32BE(at) * blobBytesOf(meta);
  return parts + 4 + meta.readUInt32BE(parts) * partBytes;
}

function ownerOf(row: StoredRow): { readonly owner?: string } {
  const owner = decodeObjectRow(row).info.system[ownerField];
  return owner === undefined ? {} : { owner };
}

function keptVersion(meta: Buffer): { readonly versionId?: string } {
  const version = versionOfMeta(meta);
  return version === undefined || version.isNull ? {} : { versionId: version.order };
}

/** Only the version of a row, without decoding the rest. */
export function decodeRowVersion(row: StoredRow): RowVersion | undefined {
  return versionOfMeta(check(row));
}

function versionOfMeta(meta: Buffer): RowVersion | undefined {
  return meta[atVersion] === 1 ? undefined : readVersionBlock(meta, fixedBytesV1);
}

export function decodeObjectRow(row: StoredRow): ObjectRow {
  const meta = check(row);
  const kind = kinds[meta[atKind] ?? 255];
  if (kind === undefined) throw malformed(row, `kind ${meta[atKind]}`);
  const version = versionOfMeta(meta);
  let at = fixedOf(meta) + meta.readUInt16BE(atContentType) + (kind === 'slo' ? sloBytes : 0);
  if (at + 8 > meta.length) throw malformed(row, 'too short');
  const blobCount = meta.readUInt32BE(at);
  at += 4;
  const step = blobBytesOf(meta);
  if (at + blobCount * step + 4 > meta.length) throw malformed(row, 'blob count');
  const blobs: BodyBlob[] = [];
  for (let n = 0; n < blobCount; n++, at += step) blobs.push(readBlob(meta, at));
  const partCount = meta.readUInt32BE(at);
  at += 4;
  if (at + partCount * partBytes > meta.length) throw malformed(row, 'part count');
  const parts: ObjectPart[] = [];
  for (let n = 0; n < partCount; n++, at += partBytes)
    parts.push({
      number: meta.readUInt16BE(at),
      size: meta.readUIntBE(at + 2, 6),
      etag: meta.toString('hex', at + 8, at + 24),
    });
  const tail = at < meta.length ? parseTail(row, meta.toString('utf8', at, meta.length)) : noTail;
  const deleteAtS = meta.readUIntBE(atDeleteAt, 6);
  return {
    info: {
      name: nameOf(row.sort),
      kind,
      size: meta.readUIntBE(atSize, 6),
      etag: etagOf(meta),
      contentType: contentTypeOf(meta),
      modifiedUs: meta.readDoubleBE(atModified),
      metadata: tail.m ?? noFields,
      headers: tail.h ?? noFields,
      system: tail.s ?? noFields,
      checksums: tail.c ?? noFields,
      ...(partCount === 0 ? {} : { parts }),
      ...(deleteAtS === 0 ? {} : { deleteAtS }),
      ...(version === undefined ? {} : { versionId: publicVersionId(version) }),
    },
    blobs,
    ...(tail.u === undefined ? {} : { uploadId: tail.u }),
    ...(version === undefined ? {} : { version }),
  };
}

const noTail: Tail = Object.freeze({});

function parseTail(row: StoredRow, text: string): Tail {
  let tail: unknown;
  try {
    tail = JSON.parse(text);
  } catch (cause) {
    throw objectFailure('row-malformed', 'An object row cannot be read', {
      facts: { name: row.sort, why: 'tail' },
      cause,
    });
  }
  if (typeof tail !== 'object' || tail === null) throw malformed(row, 'tail');
  const given: Readonly<Record<string, unknown>> = { ...tail };
  return {
    m: fieldsOf(row, given.m),
    h: fieldsOf(row, given.h),
    s: fieldsOf(row, given.s),
    c: fieldsOf(row, given.c),
    ...(typeof given.u === 'string' ? { u: given.u } : {}),
  };
}

function isFields(value: object): value is Fields {
  for (const held of Object.values(value)) if (typeof held !== 'string') return false;
  return true;
}

function fieldsOf(row: StoredRow, value: unknown): Fields {
  if (value === undefined) return noFields;
  if (typeof value !== 'object' || value === null || !isFields(value))
    throw malformed(row, 'tail fields');
  return value;
}
