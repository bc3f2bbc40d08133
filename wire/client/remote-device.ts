/** A device on another node: each method is a frame out and a frame in. */
import type { Decoder } from '../codec/decoder.ts';
import { badMessage } from '../codec/decoder.ts';
import type { Encoder } from '../codec/encoder.ts';
import { frameKind, writeEmpty } from '../codec/frames.ts';
import {
  readAggregate,
  readBlobInfo,
  readScanPage,
  readStatus,
  writeBlobKey,
  writeFence,
  writeKey,
  writeOpening,
  writeRowWrite,
  writeScan,
  writeVersionField,
} from '../codec/messages.ts';
import { acceptOutcome, prepareOutcome, readRowReply } from '../codec/replies.ts';
import { readSurveyReply, writeSurvey } from '../codec/survey-messages.ts';
import type {
  AcceptOutcome,
  Aggregate,
  BlobInfo,
  BlobKey,
  BlobWriteOptions,
  BlobWriter,
  DeviceService,
  DeviceStatus,
  Fence,
  PrepareOutcome,
  Row,
  RowKey,
  RowWrite,
  ScanPage,
  ScanRequest,
} from '../device-service.ts';
import { scanRowsMax } from '../device-service.ts';
import type { WireSettings } from '../settings.ts';
import type { SurveyReply, SurveyRequest } from '../survey.ts';
import type { Version } from '../versions.ts';
import type { Exchange, TakeReply } from './exchange.ts';
import { PartReader } from './part-reader.ts';
import { RemoteBlobWriter } from './remote-blob-writer.ts';

export class RemoteDevice implements DeviceService {
  private readonly number: number;
  private readonly exchange: () => Exchange;
  private readonly settings: WireSettings;

  constructor(number: number, exchange: () => Exchange, settings: WireSettings) {
    this.number = number;
    this.exchange = exchange;
    this.settings = settings;
  }

  readRow(key: RowKey, want: { readonly body: boolean }): Promise<Row | undefined> {
    return this.ask(
      frameKind.row,
      (content) => readRowReply(content).row,
      (to) => {
        const start = to.begin(frameKind.readRow);
        writeKey(to, 1, key);
        to.bool(2, want.body);
        to.end(start);
      },
    );
  }

  acceptRow(write: RowWrite): Promise<AcceptOutcome> {
    return this.ask(
      frameKind.accepted,
      (content) => acceptOutcome(readRowReply(content)),
      (to) => writeRowWrite(to, frameKind.acceptRow, write),
    );
  }

  prepareRow(key: RowKey, ballot: Version): Promise<PrepareOutcome> {
    return this.ask(
      frameKind.prepared,
      (content) => prepareOutcome(readRowReply(content)),
      (to) => {
        const start = to.begin(frameKind.prepareRow);
        writeKey(to, 1, key);
        writeVersionField(to, 2, ballot);
        to.end(start);
      },
    );
  }

  scanRows(request: ScanRequest): Promise<ScanPage> {
    return this.ask(frameKind.scanned, readScanPage, (to) =>
      writeScan(to, frameKind.scanRows, request),
    );
  }

  aggregate(table: string, partition: string, hash: number): Promise<Aggregate> {
    return this.ask(frameKind.aggregated, readAggregate, (to) => {
      const start = to.begin(frameKind.aggregate);
      to.string(1, table);
      to.string(2, partition);
      to.fixed32(3, hash);
      to.end(start);
    });
  }

  async putBlob(key: BlobKey, chunks: readonly Buffer[], options: BlobWriteOptions): Promise<void> {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (length > this.settings.batchBytesMax) return this.putParts(key, chunks, options, length);
    return this.ask(frameKind.done, nothing, (to) => {
      const start = to.begin(frameKind.putBlob);
      writeOpening(to, 1, { key, options });
      to.chunks(2, chunks, length);
      to.end(start);
    });
  }

  async openBlob(key: BlobKey, options: BlobWriteOptions): Promise<BlobWriter> {
    const writer = new RemoteBlobWriter(this.exchange(), this.number, this.settings);
    await writer.open({ key, options });
    return writer;
  }

  async readBlob(key: BlobKey, offset: number, length: number): Promise<Buffer> {
    const parts = new PartReader(length);
    return this.answered(
      (kind, content, memory) => {
        if (kind !== frameKind.blobPart) throw badMessage('an unexpected reply');
        return parts.take(content, memory);
      },
      () => parts.whole(),
      (to) => {
        const start = to.begin(frameKind.readBlob);
        writeBlobKey(to, 1, key);
        to.uint(2, offset);
        to.uint(3, length);
        to.end(start);
      },
    );
  }

  statBlob(key: BlobKey): Promise<BlobInfo | undefined> {
    return this.ask(
      frameKind.blobStat,
      (content) => readInfos(content, 1)[0],
      (to) => writeBlobKey(to, frameKind.statBlob, key),
    );
  }

  deleteBlob(key: BlobKey): Promise<void> {
    return this.ask(frameKind.done, nothing, (to) => writeBlobKey(to, frameKind.deleteBlob, key));
  }

  listBlobs(request: {
    readonly after?: BlobKey;
    readonly limit: number;
  }): Promise<readonly BlobInfo[]> {
    return this.ask(
      frameKind.blobList,
      (content) => readInfos(content, Math.max(request.limit, scanRowsMax)),
      (to) => {
        const start = to.begin(frameKind.listBlobs);
        if (request.after !== undefined) writeBlobKey(to, 1, request.after);
        to.uint(2, request.limit);
        to.end(start);
      },
    );
  }

  raiseFence(fence: Fence): Promise<number> {
    return this.ask(
      frameKind.fenceRaised,
      (content) => {
        let epoch = 0;
        for (let field = content.field(); field !== 0; field = content.field()) {
          if (field === 1) epoch = content.uint();
          else content.skip();
        }
        return epoch;
      },
      (to) => writeFence(to, frameKind.raiseFence, fence),
    );
  }

  status(): Promise<DeviceStatus> {
    return this.ask(frameKind.status, readStatus, (to) => writeEmpty(to, frameKind.statusRequest));
  }

  survey(request: SurveyRequest): Promise<SurveyReply> {
    return this.ask(frameKind.surveyed, readSurveyReply, (to) =>
      writeSurvey(to, frameKind.survey, request),
    );
  }

  /** Opened, filled and committed without waiting in between: what fails first fails the whole. */
  private async putParts(
    key: BlobKey,
    chunks: readonly Buffer[],
    options: BlobWriteOptions,
    length: number,
  ): Promise<void> {
    const writer = new RemoteBlobWriter(this.exchange(), this.number, this.settings);
    try {
      const opened = writer.open({ key, options: { lengthHint: length, ...options } });
      await Promise.all([opened, writer.append(chunks)]);
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  private ask<T>(
    expected: number,
    read: (content: Decoder) => T,
    write: (to: Encoder) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const take = (kind: number, content: Decoder) => {
        if (kind !== expected) throw badMessage('an unexpected reply');
        resolve(read(content));
        return true;
      };
      this.exchange().request(this.number, write, take, reject);
    });
  }

  private answered<T>(take: TakeReply, result: () => T, write: (to: Encoder) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const takePart: TakeReply = (kind, content, memory) => {
        if (!take(kind, content, memory)) return false;
        resolve(result());
        return true;
      };
      this.exchange().request(this.number, write, takePart, reject);
    });
  }
}

/** A reply that says nothing but that it was done. */
function nothing(): void {}

function readInfos(content: Decoder, countMax: number): BlobInfo[] {
  const infos: BlobInfo[] = [];
  for (let field = content.field(); field !== 0; field = content.field()) {
    if (field !== 1) content.skip();
    else if (infos.length >= countMax) throw badMessage('too many blobs');
    else infos.push(readBlobInfo(content.message()));
  }
  return infos;
}
