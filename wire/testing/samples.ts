/** One frame of every kind, for the golden bytes and for checking the codecs against the .proto file. */

import { Failure } from '#common';
import type { Encoder } from '../codec/encoder.ts';
import { frameKind, writeEmpty } from '../codec/frames.ts';
import * as m from '../codec/messages.ts';
import { writeFailed, writeHello, writeRowReply, writeWelcome } from '../codec/replies.ts';
import { writeSurvey, writeSurveyReply } from '../codec/survey-messages.ts';

const version = { timeUs: 1_700_000_000_123_456, coordinator: 0xfedcba98 };
const key = { table: 'objects', partition: 'acc/büro', sort: 'a/\u{1f600}', hash: 0x89abcdef };
const row = {
  sort: 'a/\u{1f600}',
  version,
  deleted: false,
  meta: Buffer.from('meta'),
  bytes: 5,
  bodyLength: 5,
};
const tombstone = {
  sort: 'gone',
  version,
  deleted: true,
  meta: Buffer.alloc(0),
  bytes: 0,
  bodyLength: 0,
};
const blob = { id: '00112233445566778899aabbccddeeff', hash: 7 };
const greeting = {
  protocol: 1,
  cluster: 'c',
  client: 'proxy-1',
  devices: [0, 1, 300],
  ringEpoch: 0,
};
const fence = { scope: 'volume-1', epoch: 2 ** 40 };
const aggregate = { rows: 2, bytes: 2 ** 45, digest: '0123456789abcdef' };

export interface Sample {
  readonly name: keyof typeof frameKind;
  readonly write: (to: Encoder) => void;
}

function nested(kind: number, fill: (to: Encoder) => void): (to: Encoder) => void {
  return (to) => {
    const start = to.begin(kind);
    fill(to);
    to.end(start);
  };
}

export const samples: readonly Sample[] = [
  { name: 'hello', write: (to) => writeHello(to, greeting) },
  { name: 'welcome', write: (to) => writeWelcome(to, greeting) },
  { name: 'done', write: (to) => writeEmpty(to, frameKind.done) },
  { name: 'failed', write: (to) => writeFailed(to, new Failure('busy', 'device-full', 'Full')) },
  { name: 'cancel', write: (to) => writeEmpty(to, frameKind.cancel) },
  {
    name: 'readRow',
    write: nested(frameKind.readRow, (to) => {
      m.writeKey(to, 1, key);
      to.bool(2, true);
    }),
  },
  {
    name: 'row',
    write: (to) => writeRowReply(to, frameKind.row, { ...row, body: Buffer.from('hello') }),
  },
  {
    name: 'acceptRow',
    write: (to) =>
      m.writeRowWrite(to, frameKind.acceptRow, {
        key,
        version,
        deleted: false,
        meta: Buffer.from('meta'),
        bytes: 5,
        body: Buffer.from('hello'),
      }),
  },
  { name: 'accepted', write: (to) => writeRowReply(to, frameKind.accepted, undefined, version) },
  {
    name: 'prepareRow',
    write: nested(frameKind.prepareRow, (to) => {
      m.writeKey(to, 1, key);
      m.writeVersionField(to, 2, version);
    }),
  },
  { name: 'prepared', write: (to) => writeRowReply(to, frameKind.prepared, tombstone) },
  {
    name: 'scanRows',
    write: (to) =>
      m.writeScan(to, frameKind.scanRows, {
        table: 'objects',
        partition: 'p',
        hash: 1,
        from: '',
        inclusive: true,
        until: 'z',
        reverse: true,
        limit: 10_000,
      }),
  },
  {
    name: 'scanned',
    write: (to) =>
      m.writeScanPage(to, frameKind.scanned, { rows: [row, tombstone], more: true, aggregate }),
  },
  { name: 'aggregated', write: (to) => m.writeAggregate(to, frameKind.aggregated, aggregate) },
  {
    name: 'putBlob',
    write: nested(frameKind.putBlob, (to) => {
      m.writeOpening(to, 1, { key: blob, options: { fence, lengthHint: 3 } });
      to.chunks(2, [Buffer.from('a'), Buffer.from('bc')], 3);
    }),
  },
  {
    name: 'openBlob',
    write: (to) => m.writeOpening(to, frameKind.openBlob, { key: blob, options: {} }),
  },
  {
    name: 'appendBlob',
    write: nested(frameKind.appendBlob, (to) => {
      to.uint(1, 9);
      to.bytes(2, Buffer.from('data'));
    }),
  },
  { name: 'commitBlob', write: nested(frameKind.commitBlob, (to) => to.uint(1, 2 ** 32 - 1)) },
  {
    name: 'readBlob',
    write: nested(frameKind.readBlob, (to) => {
      m.writeBlobKey(to, 1, blob);
      to.uint(2, 2 ** 26);
      to.uint(3, 65_536);
    }),
  },
  {
    name: 'blobPart',
    write: nested(frameKind.blobPart, (to) => {
      to.bytes(1, Buffer.from('part'));
      to.bool(2, true);
    }),
  },
  {
    name: 'blobStat',
    write: nested(frameKind.blobStat, (to) => m.writeBlobInfo(to, 1, { ...blob, length: 77 })),
  },
  { name: 'raiseFence', write: (to) => m.writeFence(to, frameKind.raiseFence, fence) },
  {
    name: 'status',
    write: (to) =>
      m.writeStatus(to, frameKind.status, {
        state: 'read-only',
        totalBytes: 2 ** 44,
        freeBytes: 1,
        usedBytes: 2,
        deadBytes: 3,
        rows: 4,
        blobs: 5,
        quarantined: 6,
      }),
  },
  {
    name: 'survey',
    write: (to) =>
      writeSurvey(to, frameKind.survey, {
        what: 'versions',
        of: { table: 'objects', partition: 'p', hash: 1 },
        after: 'a',
        limit: 10_000,
        power: 12,
        buckets: [0, 4095],
      }),
  },
  {
    name: 'surveyed',
    write: (to) =>
      writeSurveyReply(to, frameKind.surveyed, {
        digests: Buffer.alloc(8, 7),
        partitions: [{ table: 'objects', partition: 'p', hash: 1, aggregate }],
        versions: [{ sort: 'b', version }],
        quarantined: [{ row: key }, { blob }],
        fences: [fence],
        next: 'b',
        records: 3,
        bytes: 2 ** 33,
        bad: 1,
      }),
  },
];
