/** Reading whole parts of stored segments: their headers, and their data as one. */
import type { Blobs } from '#cluster';
import { giveBack, isFailure } from '#common';
import { segmentBlobId } from './blob-names.ts';
import type { LineCipher } from './line-cipher.ts';
import {
  decodeSegmentHeader,
  openLine,
  placeOfLine,
  type SegmentHeader,
  segmentHeaderLength,
  storedLineBytes,
} from './segment-format.ts';
import { lineBytes } from './units.ts';
import { corruptFormat } from './words.ts';

const blobReadMax = 1024 * 1024;

export interface SegmentId {
  readonly volume: string;
  readonly number: number;
  readonly epoch: number;
}

/** Undefined when there is no such segment. */
export async function findSegmentHeader(
  blobs: Blobs,
  segment: SegmentId,
): Promise<SegmentHeader | undefined> {
  const { volume, number, epoch } = segment;
  const id = segmentBlobId(volume, number, epoch);
  try {
    let source = await blobs.read(id, 0, lineBytes);
    const length = segmentHeaderLength(source);
    if (length > source.length) source = await blobs.read(id, 0, length);
    const header = decodeSegmentHeader(source, volume);
    if (header.number === number && header.epoch === epoch) return header;
    throw corruptFormat('segment-identity', { number });
  } catch (error) {
    if (isFailure(error, 'missing')) return undefined;
    throw error;
  }
}

export async function readSegmentData(
  blobs: Blobs,
  header: SegmentHeader,
  cipher: LineCipher | undefined,
): Promise<Buffer> {
  const { number, epoch, volumeId } = header;
  const id = segmentBlobId(volumeId, number, epoch);
  const data = Buffer.alloc(header.dataBytes);
  const perRead = Math.floor(blobReadMax / storedLineBytes);
  const lines = Math.ceil(header.dataBytes / lineBytes);
  for (let line = 0; line < lines; line += perRead) {
    const first = placeOfLine(header, line).offset;
    const stored = await blobs.read(id, first, perRead * storedLineBytes);
    for (let at = line; at < Math.min(lines, line + perRead); at++) {
      const place = placeOfLine(header, at);
      const piece = stored.subarray(place.offset - first, place.offset - first + storedLineBytes);
      openLine(piece, place.dataBytes, { number, epoch, cipher }, at).copy(data, at * lineBytes);
    }
    giveBack(stored);
  }
  return data;
}

/** A whole blob of at most `bytesMax`. */
export async function readBlob(blobs: Blobs, id: string, bytesMax: number): Promise<Buffer> {
  const info = await blobs.stat(id);
  if (info === undefined) throw corruptFormat('blob-missing', { id });
  if (info.length > bytesMax) throw corruptFormat('blob-too-large', { id, length: info.length });
  const pieces: Buffer[] = [];
  for (let at = 0; at < info.length; at += blobReadMax)
    pieces.push(await blobs.read(id, at, Math.min(blobReadMax, info.length - at)));
  return Buffer.concat(pieces);
}
