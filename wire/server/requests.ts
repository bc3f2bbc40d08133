/** From a request's frame to the device's method and the reply's frame. */
import { Failure, type LentBuffers } from '#common';
import { badMessage, type Decoder } from '../codec/decoder.ts';
import type { Encoder } from '../codec/encoder.ts';
import { type Frame, frameKind, writeEmpty } from '../codec/frames.ts';
import {
  type BlobOpening,
  readBlobKey,
  readFence,
  readOpening,
  readRowWrite,
  readScan,
  writeAggregate,
  writeBlobInfo,
  writeScanPage,
  writeStatus,
} from '../codec/messages.ts';
import { readPrepare, readReadRow, writeRowReply } from '../codec/replies.ts';
import { readSurvey, writeSurveyReply } from '../codec/survey-messages.ts';
import type { BlobInfo, BlobKey, DeviceService, ScanPage } from '../device-service.ts';
import { lentView } from '../lent-view.ts';
import type { OpenWriters } from './open-writers.ts';

/** Writes the reply's frame, or is a blob's data, which goes out in parts. */
export type Reply = ((to: Encoder) => void) | { readonly data: Buffer };

export interface Asked {
  readonly frame: Frame;
  readonly device: DeviceService | undefined;
  readonly writers: OpenWriters;
  /** What the frame's memory came from, when nothing else lies in it. */
  readonly buffers: LentBuffers | undefined;
}

/** Reads the request at once (throws when it is garbled), and answers when the device has. */
export function answer({ frame, device, writers, buffers }: Asked): Promise<Reply> {
  const handle = handlers[frame.kind];
  if (handle === undefined) throw badMessage('an unknown request');
  if (device === undefined) return Promise.reject(noDevice(frame.device));
  return handle({ device, writers, buffers, id: frame.id, content: frame.content });
}

interface Request {
  readonly device: DeviceService;
  readonly writers: OpenWriters;
  readonly buffers: LentBuffers | undefined;
  readonly id: number;
  readonly content: Decoder;
}

type Handler = (request: Request) => Promise<Reply>;

const done: Reply = (to) => writeEmpty(to, frameKind.done);

// Each reads its content before it waits for anything, so that garbage ends the stream and not just the request.
const handlers: Readonly<Record<number, Handler>> = {
  [frameKind.readRow]: ({ device, content }) => {
    const { key, body } = readReadRow(content);
    return device
      .readRow(key, { body })
      .then((row) => (to) => writeRowReply(to, frameKind.row, row));
  },
  [frameKind.acceptRow]: ({ device, content }) =>
    device.acceptRow(readRowWrite(content)).then((reply) => (to) => {
      if (reply.outcome === 'ok') writeRowReply(to, frameKind.accepted, reply.previous);
      else writeRowReply(to, frameKind.accepted, undefined, reply.by);
    }),
  [frameKind.prepareRow]: ({ device, content }) => {
    const { key, ballot } = readPrepare(content);
    return device.prepareRow(key, ballot).then((reply) => (to) => {
      if (reply.outcome === 'promised') writeRowReply(to, frameKind.prepared, reply.row);
      else writeRowReply(to, frameKind.prepared, undefined, reply.by);
    });
  },
  [frameKind.scanRows]: ({ device, content }) =>
    device
      .scanRows(readScan(content))
      .then((page) => (to) => writeScanPage(to, frameKind.scanned, fitting(page))),
  [frameKind.aggregate]: ({ device, content }) => {
    const { table, partition, hash } = readScan(content);
    return device
      .aggregate(table, partition, hash)
      .then((aggregate) => (to) => writeAggregate(to, frameKind.aggregated, aggregate));
  },
  [frameKind.putBlob]: ({ device, content }) => {
    const { opening, data } = readPut(content);
    return device.putBlob(opening.key, [data], opening.options).then(() => done);
  },
  [frameKind.openBlob]: ({ device, content, id, writers }) =>
    writers.open(id, device, readOpening(content)).then(() => done),
  [frameKind.appendBlob]: ({ content, writers, buffers }) => {
    const { writer, data } = readAppend(content);
    return chained(() => writers.append(writer, lentView(data, buffers)));
  },
  [frameKind.commitBlob]: ({ content, writers }) => {
    const { writer } = readAppend(content);
    return chained(() => writers.commit(writer));
  },
  [frameKind.abortBlob]: ({ content, writers }) => {
    const { writer } = readAppend(content);
    return chained(() => writers.abort(writer));
  },
  [frameKind.readBlob]: ({ device, content }) => {
    const { key, offset, length } = readRead(content);
    return device.readBlob(key, offset, length).then((data) => ({ data }));
  },
  [frameKind.statBlob]: ({ device, content }) =>
    device
      .statBlob(readBlobKey(content))
      .then((info) => (to) => writeInfos(to, frameKind.blobStat, info === undefined ? [] : [info])),
  [frameKind.deleteBlob]: ({ device, content }) =>
    device.deleteBlob(readBlobKey(content)).then(() => done),
  [frameKind.listBlobs]: ({ device, content }) =>
    device
      .listBlobs(readList(content))
      .then((infos) => (to) => writeInfos(to, frameKind.blobList, infos)),
  [frameKind.raiseFence]: ({ device, content }) =>
    device.raiseFence(readFence(content)).then((epoch) => (to) => {
      const start = to.begin(frameKind.fenceRaised);
      to.uint(1, epoch);
      to.end(start);
    }),
  [frameKind.statusRequest]: ({ device }) =>
    device.status().then((status) => (to) => writeStatus(to, frameKind.status, status)),
  [frameKind.survey]: ({ device, content }) =>
    device
      .survey(readSurvey(content))
      .then((reply) => (to) => writeSurveyReply(to, frameKind.surveyed, reply)),
};

/** A failure of finding the writer is the request's, not the stream's. */
async function chained(run: () => Promise<void>): Promise<Reply> {
  await run();
  return done;
}

// A page of rows with large metas would not fit a message: it is cut, and the caller asks on from there.
const pageBytesMax = 4 * 1024 * 1024;

function fitting(page: ScanPage): ScanPage {
  let bytes = 0;
  for (let at = 0; at < page.rows.length; at++) {
    const row = page.rows[at];
    bytes += (row?.meta.length ?? 0) + (row?.sort.length ?? 0) * 3 + 64;
    if (bytes > pageBytesMax && at > 0)
      return { ...page, rows: page.rows.slice(0, at), more: true };
  }
  return page;
}

function readPut(from: Decoder): { readonly opening: BlobOpening; readonly data: Buffer } {
  let opening: BlobOpening | undefined;
  let data: Buffer = Buffer.alloc(0);
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) opening = readOpening(from.message());
    else if (field === 2) data = from.bytes();
    else from.skip();
  }
  if (opening === undefined) throw badMessage('a blob without key');
  return { opening, data };
}

function readAppend(from: Decoder): { readonly writer: number; readonly data: Buffer } {
  let writer = 0;
  let data: Buffer = Buffer.alloc(0);
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) writer = from.uint32();
    else if (field === 2) data = from.bytes();
    else from.skip();
  }
  return { writer, data };
}

function readRead(from: Decoder) {
  let key: BlobKey | undefined;
  let offset = 0;
  let length = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) key = readBlobKey(from.message());
    else if (field === 2) offset = from.uint();
    else if (field === 3) length = from.uint32();
    else from.skip();
  }
  if (key === undefined) throw badMessage('a read without key');
  return { key, offset, length };
}

function readList(from: Decoder): { readonly after?: BlobKey; readonly limit: number } {
  let after: BlobKey | undefined;
  let limit = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) after = readBlobKey(from.message());
    else if (field === 2) limit = from.uint32();
    else from.skip();
  }
  return after === undefined ? { limit } : { after, limit };
}

function writeInfos(to: Encoder, kind: number, infos: readonly BlobInfo[]): void {
  const start = to.begin(kind);
  for (const info of infos) writeBlobInfo(to, 1, info);
  to.end(start);
}

function noDevice(device: number): Failure {
  return new Failure('unreachable', 'device-unknown', 'This node does not serve this device', {
    facts: { device },
  });
}
