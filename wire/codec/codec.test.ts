import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { samples } from '../testing/samples.ts';
import { Decoder } from './decoder.ts';
import { Encoder } from './encoder.ts';
import { type Frame, frameKind, readFrames, writeFrame } from './frames.ts';
import {
  readRow,
  readRowWrite,
  readScan,
  readScanPage,
  readStatus,
  writeRowWrite,
} from './messages.ts';

const batchType = protobuf
  .loadSync(join(import.meta.dirname, '../proto/device.proto'))
  .lookupType('pileus.storage.v1.Batch');

function framesOf(message: Buffer): Frame[] {
  const frames: Frame[] = [];
  readFrames(message, (frame) => frames.push(frame));
  return frames;
}

function encoded(write: (to: Encoder) => void): Buffer {
  const encoder = new Encoder();
  writeFrame(encoder, 12, 300, write);
  return encoder.finish();
}

/** What protobufjs, which knows the .proto file only, makes of our bytes. */
function decodedByProto(message: Buffer): unknown {
  const decoded = batchType.toObject(batchType.decode(message), { longs: Number, bytes: String });
  return decoded.frame?.[0];
}

const golden: Record<string, { hex: string; means: unknown }> = JSON.parse(
  readFileSync(join(import.meta.dirname, '../golden/frames.json'), 'utf8'),
);

describe('every frame', () => {
  it.each(samples)(
    '$name has the bytes it always had, and the .proto file explains them',
    ({ name, write }) => {
      const message = encoded(write);
      expect(message.toString('hex')).toBe(golden[name]?.hex);
      const content = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      expect(decodedByProto(message)).toEqual(golden[name]?.means);
      const field = batchType.root.lookupType('pileus.storage.v1.Frame').fields;
      const declared = Object.values(field).find(({ id }) => id === frameKind[name])?.name;
      expect([content, name]).toContain(
        declared?.replace(/[A-Z]/g, (l) => `_${l.toLowerCase()}`) ?? '',
      );
    },
  );

  it('is read back from what another encoder makes of it', () => {
    // protobufjs writes lengths in as few bytes as they need; both forms are valid.
    for (const { write, name } of samples) {
      const ours = encoded(write);
      const theirs = Buffer.from(batchType.encode(batchType.decode(ours)).finish());
      const [frame] = framesOf(theirs);
      expect(frame).toMatchObject({ id: 12, device: 300, kind: frameKind[name] });
      expect(theirs.length).toBeLessThan(ours.length);
    }
  });
});

const version = fc.record({
  timeUs: fc.maxSafeNat(),
  coordinator: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});
const bytes = fc.uint8Array({ maxLength: 300 }).map((raw) => Buffer.from(raw));
const text = fc.string({ unit: 'grapheme', maxLength: 60 });
const rowWrite = fc.record({
  key: fc.record({
    table: text,
    partition: text,
    sort: text,
    hash: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  }),
  version,
  deleted: fc.boolean(),
  meta: bytes,
  bytes: fc.maxSafeNat(),
  body: bytes,
});

describe('codecs', () => {
  it('bring back what was written, many frames to a message', () => {
    fc.assert(
      fc.property(fc.array(rowWrite, { maxLength: 20 }), (writes) => {
        const encoder = new Encoder(16);
        writes.forEach((write, index) => {
          writeFrame(encoder, index + 1, 3, (to) => writeRowWrite(to, frameKind.acceptRow, write));
        });
        const frames = framesOf(encoder.finish());
        expect(frames.map(({ content }) => readRowWrite(content))).toEqual(writes);
        expect(frames.map(({ id }) => id)).toEqual(writes.map((_, index) => index + 1));
      }),
    );
  });

  it('never throw anything but a bad-message Failure, whatever the bytes', () => {
    const readers = [readRowWrite, readRow, readScan, readScanPage, readStatus];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(4), (raw, which) => {
        try {
          readers[which]?.(new Decoder(Buffer.from(raw)));
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid', code: 'bad-message' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('leave nothing of a frame that could not be written', () => {
    const encoder = new Encoder();
    writeFrame(encoder, 1, 3, (to) => to.end(to.begin(frameKind.done)));
    const before = encoder.length;
    for (const bad of [-1, 1.5, 2 ** 53, Number.NaN])
      expect(() => writeFrame(encoder, 2, 3, (to) => to.uint(2, bad))).toThrow('cannot be sent');
    expect(() => writeFrame(encoder, 2, 3, (to) => to.string(1, '\ud800'))).toThrow(
      'cannot be sent',
    );
    expect(encoder.length).toBe(before);
    expect(framesOf(encoder.finish())).toHaveLength(1);
  });

  it('leave large payloads where they are, and write the same bytes', () => {
    const large = Buffer.alloc(70_000, 3);
    const encoder = new Encoder(16, 4);
    const blob = (to: Encoder) => {
      const start = to.begin(frameKind.putBlob);
      to.chunks(2, [large, Buffer.from('small'), large], 2 * large.length + 5);
      to.end(start);
    };
    writeFrame(encoder, 1, 3, blob);
    const before = encoder.length;
    const failing = (to: Encoder) => {
      blob(to);
      to.uint(3, -1);
    };
    expect(() => writeFrame(encoder, 2, 3, failing)).toThrow('cannot be sent');
    expect(encoder.length).toBe(before);
    writeFrame(encoder, 3, 3, (to) => to.end(to.begin(frameKind.done)));
    const pieces = encoder.pieces();
    expect(pieces.filter((piece) => piece === large)).toHaveLength(2);
    const frames = framesOf(encoder.finish().subarray(4));
    expect(frames.map(({ id }) => id)).toEqual([1, 3]);
    expect(frames[0]?.content.length).toBeGreaterThan(2 * large.length);
  });
});
