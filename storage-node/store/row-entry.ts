/**
 * A row's value in the index: packed numbers and the meta, as base64. Text, because strings cross out of LevelDB at a fifth of
 * the cost of buffers; base64 in whole groups of three bytes, because the values of many rows, one behind the other,
 * then are base64 as well and decode in one call. `docs/formats/device-index.md` has the byte table.
 */
import { Buffer } from 'node:buffer';
import type { Row } from '#wire';
import { finishMix, mix, mixText, murmur1, murmur2 } from '../mixing.ts';
import type { RowState } from './row-state.ts';

/** Metas above this stay in the log alone: LevelDB rewrites its values many times over. */
export const indexedMetaBytesMax = 4096;

const flagDeleted = 1;
const flagLost = 2;
const flagMetaInLog = 4;

const atTime = 4;
const atCoordinator = 12;
const atBytes = 16;
const atFile = 24;
const atOffset = 28;
const atMetaCrc = 32;
const atBodyCrc = 36;
const atMetaLength = 40;
const atBodyLength = 44;
const atHeadBytes = 48;
const atFlags = 50;
const fixedBytes = 51;

const seed = 0x2545f491;
const scratch = Buffer.alloc(fixedBytes + indexedMetaBytesMax + 3);
const scratchView = viewOf(scratch);

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The key's part of a checksum, so that an entry can't pass for another's. Texts may be taken in one after the other. */
export function sumOfKey(text: string, before = seed): number {
  return mixText(before, text);
}

function sumOf(keySum: number, view: DataView, start: number, end: number): number {
  let sum = keySum;
  let at = start + 4;
  for (; at + 4 <= end; at += 4) sum = mix(sum, view.getUint32(at, true), murmur1, murmur2);
  for (; at < end; at++) sum = mix(sum, view.getUint8(at), murmur1, murmur2);
  return finishMix(sum, end - start);
}

export function encodeRowState(key: string, state: RowState): string {
  const { meta, version } = state;
  const inLog = meta === undefined || meta.length > indexedMetaBytesMax;
  const view = scratchView;
  view.setFloat64(atTime, version.timeUs, true);
  view.setUint32(atCoordinator, version.coordinator, true);
  view.setFloat64(atBytes, state.bytes, true);
  view.setUint32(atFile, state.file, true);
  view.setUint32(atOffset, state.offset, true);
  view.setUint32(atMetaCrc, state.metaCrc, true);
  view.setUint32(atBodyCrc, state.bodyCrc, true);
  view.setUint32(atMetaLength, state.metaLength, true);
  view.setUint32(atBodyLength, state.bodyLength, true);
  view.setUint16(atHeadBytes, state.headBytes, true);
  const flags = (state.deleted ? flagDeleted : 0) | (state.lost ? flagLost : 0);
  view.setUint8(atFlags, flags | (inLog ? flagMetaInLog : 0));
  let end = fixedBytes;
  if (!inLog) {
    scratch.set(meta, fixedBytes);
    end += meta.length;
  }
  for (; end % 3 !== 0; end++) scratch[end] = 0;
  view.setUint32(0, sumOf(sumOfKey(key), view, 0, end), true);
  return scratch.toString('base64', 0, end);
}

/** Undefined when the entry's checksum does not hold. */
export function decodeRowState(key: string, text: string): RowState | undefined {
  return new RowEntries([text]).state(0, sumOfKey(key));
}

/** Decoded values of several rows. Who keeps a meta keeps all their bytes. */
export class RowEntries {
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly ends: number[] = [];

  constructor(texts: readonly string[]) {
    let end = 0;
    for (const text of texts) {
      end += bytesOf(text);
      this.ends.push(end);
    }
    const joined = texts.length === 1 ? (texts[0] ?? '') : texts.join('');
    const bytes = Buffer.from(joined, 'base64');
    // Anything that is not base64 shifts what follows it; then each is decoded alone.
    this.bytes = bytes.length === end ? bytes : Buffer.concat(texts.map(decodeAlone));
    this.view = viewOf(this.bytes);
  }

  /** Undefined when the checksum does not hold. */
  state(index: number, keySum: number): RowState | undefined {
    const { view } = this;
    const start = this.startOf(index);
    if (!this.isGood(index, keySum)) return undefined;
    const flags = view.getUint8(start + atFlags);
    return {
      version: this.versionAt(start),
      deleted: (flags & flagDeleted) !== 0,
      lost: (flags & flagLost) !== 0,
      bytes: view.getFloat64(start + atBytes, true),
      file: view.getUint32(start + atFile, true),
      offset: view.getUint32(start + atOffset, true),
      headBytes: view.getUint16(start + atHeadBytes, true),
      metaLength: view.getUint32(start + atMetaLength, true),
      metaCrc: view.getUint32(start + atMetaCrc, true),
      bodyLength: view.getUint32(start + atBodyLength, true),
      bodyCrc: view.getUint32(start + atBodyCrc, true),
      meta: this.metaAt(start),
      body: undefined,
    };
  }

  /** The row, when its entry is good and its meta here; what a scan needs and no more. */
  row(index: number, keySum: number, sort: string): Row | undefined {
    if (!this.isGood(index, keySum)) return undefined;
    const start = this.startOf(index);
    const meta = this.metaAt(start);
    if (meta === undefined) return undefined;
    return {
      sort,
      version: this.versionAt(start),
      deleted: (this.view.getUint8(start + atFlags) & flagDeleted) !== 0,
      meta,
      bytes: this.view.getFloat64(start + atBytes, true),
      bodyLength: this.view.getUint32(start + atBodyLength, true),
    };
  }

  private startOf(index: number): number {
    return index === 0 ? 0 : (this.ends[index - 1] ?? 0);
  }

  private isGood(index: number, keySum: number): boolean {
    const start = this.startOf(index);
    const end = this.ends[index] ?? start;
    if (end - start < fixedBytes) return false;
    return sumOf(keySum, this.view, start, end) === this.view.getUint32(start, true);
  }

  private versionAt(start: number): Row['version'] {
    return {
      timeUs: this.view.getFloat64(start + atTime, true),
      coordinator: this.view.getUint32(start + atCoordinator, true),
    };
  }

  private metaAt(start: number): Buffer | undefined {
    if ((this.view.getUint8(start + atFlags) & flagMetaInLog) !== 0) return undefined;
    const from = start + fixedBytes;
    return this.bytes.subarray(from, from + this.view.getUint32(start + atMetaLength, true));
  }
}

function bytesOf(text: string): number {
  return (text.length >>> 2) * 3;
}

/** Zeros, which no checksum holds for, where it is no base64. */
function decodeAlone(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  const isWhole = text.length % 4 === 0 && bytes.length === bytesOf(text);
  return isWhole ? bytes : Buffer.alloc(bytesOf(text));
}
