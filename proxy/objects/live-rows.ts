/** Names, and rows as what they say: an object that is there, or none, or none any more. */
import type { StoredRow } from '#cluster';
import type { ObjectContext } from './context.ts';
import { objectFailure } from './failures.ts';
import { noFields } from './fields.ts';
import type { ObjectFields, ObjectInfo, ObjectKind, ObjectRef } from './object-service.ts';
import { decodeObjectRow, type ObjectRow } from './rows/object-row.ts';

export const defaultContentType = 'application/octet-stream';
const nameBytesMax = 1024;

export function checkName(name: string): void {
  // Three bytes a character at the most, so most names need no count of their bytes.
  const short = name.length * 3 <= nameBytesMax || Buffer.byteLength(name) <= nameBytesMax;
  if (name.length > 0 && short && !name.includes('\0') && name.isWellFormed()) return;
  const facts = { length: name.length };
  throw objectFailure('name-invalid', 'This cannot be the name of an object', { facts });
}

export function missing(ref: ObjectRef): Error {
  const facts = { container: ref.container.name, object: ref.name };
  return objectFailure('object-missing', 'There is no such object', { facts });
}

export function isExpired(context: ObjectContext, info: ObjectInfo): boolean {
  return info.deleteAtS !== undefined && info.deleteAtS * 1_000_000 <= context.clock.nowUs();
}

/** The decoded row, unless there is none or its time has come. */
export function findLive(
  context: ObjectContext,
  row: StoredRow | undefined,
): ObjectRow | undefined {
  if (row === undefined) return undefined;
  const decoded = decodeObjectRow(row);
  return isExpired(context, decoded.info) ? undefined : decoded;
}

export function liveRow(
  context: ObjectContext,
  ref: ObjectRef,
  row: StoredRow | undefined,
): ObjectRow {
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
