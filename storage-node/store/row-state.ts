/** A row as the store knows it between log and caller, and its text in the index. */
import { isUtf8 } from 'node:buffer';
import { crc32c } from '@node-rs/crc32';
import type { Row, Version } from '#wire';
import { append, begin, finish, numberAt } from '../index/text-numbers.ts';
import { padded } from '../log/record.ts';

/** Metas above this stay in the log alone: LevelDB rewrites its values many times over. */
export const indexedMetaBytesMax = 4096;

export interface RowState {
  readonly version: Version;
  readonly deleted: boolean;
  readonly bytes: number;
  readonly metaLength: number;
  readonly metaCrc: number;
  readonly bodyLength: number;
  readonly bodyCrc: number;
  readonly headBytes: number;
  /** The copy failed its checksum and waits for repair. */
  readonly lost: boolean;
  /** Undefined when it lies in the log alone. */
  readonly meta: Buffer | undefined;
  /** Undefined when not at hand. */
  readonly body: Buffer | undefined;
  /** Where its record is; set when its group is on disk. */
  file: number;
  offset: number;
}

export function recordLength(state: RowState): number {
  return padded(state.headBytes + state.metaLength + state.bodyLength);
}

export function rowOf(sort: string, state: RowState, meta: Buffer): Row {
  return {
    sort,
    version: state.version,
    deleted: state.deleted,
    meta,
    bytes: state.bytes,
    bodyLength: state.bodyLength,
  };
}

const flagDeleted = 1;
const flagLost = 2;
const flagMetaBase64 = 4;
const flagMetaInLog = 8;
// version 8 + 5, flags 1, bytes 8, file 5, offset 5, head 3, meta 4 + 5, body 4 + 5
const fixedUnits = 53;
const crcUnits = 5;

/** The row's value in the index. The key is part of the checksum, so that an entry can't pass for another's. */
export function encodeRowState(key: string, state: RowState): string {
  const { meta, version } = state;
  const inLog = meta === undefined || meta.length > indexedMetaBytesMax;
  const asText = inLog || isUtf8(meta);
  let flags = 0;
  if (state.deleted) flags |= flagDeleted;
  if (state.lost) flags |= flagLost;
  if (inLog) flags |= flagMetaInLog;
  else if (!asText) flags |= flagMetaBase64;
  begin();
  append(version.timeUs, 8);
  append(version.coordinator, 5);
  append(flags, 1);
  append(state.bytes, 8);
  append(state.file, 5);
  append(state.offset, 5);
  append(state.headBytes, 3);
  append(state.metaLength, 4);
  append(state.metaCrc, 5);
  append(state.bodyLength, 4);
  append(state.bodyCrc, 5);
  let value = finish();
  if (!inLog) value += asText ? meta.toString('utf8') : meta.toString('base64');
  begin();
  append(crc32c(key + value), crcUnits);
  return finish() + value;
}

/** Undefined when the entry's checksum does not hold. */
export function decodeRowState(key: string, text: string): RowState | undefined {
  const value = text.slice(crcUnits);
  if (value.length < fixedUnits || numberAt(text, 0, crcUnits) !== crc32c(key + value))
    return undefined;
  const flags = numberAt(value, 13, 1);
  let meta: Buffer | undefined;
  if ((flags & flagMetaInLog) === 0)
    meta = Buffer.from(value.slice(fixedUnits), (flags & flagMetaBase64) === 0 ? 'utf8' : 'base64');
  return {
    version: { timeUs: numberAt(value, 0, 8), coordinator: numberAt(value, 8, 5) },
    deleted: (flags & flagDeleted) !== 0,
    lost: (flags & flagLost) !== 0,
    bytes: numberAt(value, 14, 8),
    file: numberAt(value, 22, 5),
    offset: numberAt(value, 27, 5),
    headBytes: numberAt(value, 32, 3),
    metaLength: numberAt(value, 35, 4),
    metaCrc: numberAt(value, 39, 5),
    bodyLength: numberAt(value, 44, 4),
    bodyCrc: numberAt(value, 48, 5),
    meta,
    body: undefined,
  };
}
