/** Frames: one request or reply each, many to a message. The numbers are those of `Frame` in `proto/device.proto`. */
import { badMessage, Decoder } from './decoder.ts';
import type { Encoder } from './encoder.ts';

export const frameKind = {
  hello: 3,
  welcome: 4,
  done: 5,
  failed: 6,
  cancel: 7,
  readRow: 8,
  row: 9,
  acceptRow: 10,
  accepted: 11,
  prepareRow: 12,
  prepared: 13,
  scanRows: 14,
  scanned: 15,
  aggregate: 16,
  aggregated: 17,
  putBlob: 18,
  openBlob: 19,
  appendBlob: 20,
  commitBlob: 21,
  abortBlob: 22,
  readBlob: 23,
  blobPart: 24,
  statBlob: 25,
  blobStat: 26,
  deleteBlob: 27,
  listBlobs: 28,
  blobList: 29,
  raiseFence: 30,
  fenceRaised: 31,
  statusRequest: 32,
  status: 33,
  survey: 34,
  surveyed: 35,
} as const;

export const protocolVersion = 1;

/** The gRPC method that carries everything. */
export const exchangePath = '/pileus.storage.v1.Device/Exchange';

/** The largest message that either end takes: a row at its limits, or a page of a listing. */
export const messageBytesMax = 16 * 1024 * 1024;

export interface Frame {
  readonly id: number;
  readonly device: number;
  readonly kind: number;
  readonly content: Decoder;
  /** No other frame came in the same message. */
  readonly alone: boolean;
}

/** Writes one frame; when `write` throws, nothing of it is left. */
export function writeFrame(
  to: Encoder,
  id: number,
  device: number,
  write: (to: Encoder) => void,
): void {
  const before = to.length;
  try {
    const start = to.begin(1);
    to.uint(1, id);
    to.uint(2, device);
    write(to);
    to.end(start);
  } catch (error) {
    to.rewind(before);
    throw error;
  }
}

/** A frame whose content has no fields. */
export function writeEmpty(to: Encoder, kind: number): void {
  to.end(to.begin(kind));
}

/** Calls `take` for each frame of a message. */
export function readFrames(message: Buffer, take: (frame: Frame) => void): void {
  const batch = new Decoder(message);
  let count = 0;
  for (let field = batch.field(); field !== 0; field = batch.field()) {
    count += 1;
    if (field !== 1) {
      batch.skip();
      continue;
    }
    const frame = batch.message();
    take(readFrame(frame, count === 1 && batch.atEnd));
  }
}

function readFrame(from: Decoder, alone: boolean): Frame {
  let id = 0;
  let device = 0;
  let kind = 0;
  let content: Decoder | undefined;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) id = from.uint32();
    else if (field === 2) device = from.uint32();
    else {
      kind = field;
      content = from.message();
    }
  }
  if (content === undefined) throw badMessage('a frame without content');
  return { id, device, kind, content, alone };
}
