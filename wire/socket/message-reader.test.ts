import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LentBuffers } from '#common';
import { MessageReader } from './message-reader.ts';

const bytesMax = 200_000;

function readerInto(messages: Buffer[]): MessageReader {
  const take = (message: Buffer) => messages.push(message);
  return new MessageReader({ bytesMax, buffers: new LentBuffers(0), take });
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

/** Gives the bytes as a socket would: into what the reader offers, so many at a time. */
function feed(reader: MessageReader, bytes: Buffer, steps: readonly number[]): void {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const room = reader.room();
    const count = Math.min(steps[turn % steps.length] ?? 1, room.length, bytes.length - at);
    bytes.copy(room, 0, at, at + count);
    reader.arrived(room, count);
    at += count;
  }
}

const sizes = fc.oneof(fc.nat(40), fc.nat(5000), fc.integer({ min: 60_000, max: bytesMax }));
const steps = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70_000 })),
  {
    minLength: 1,
    maxLength: 6,
  },
);

describe('messages from a socket', () => {
  it('are the same however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(sizes, { maxLength: 6 }),
        steps,
        fc.boolean(),
        (lengths, cuts, direct) => {
          const sent = lengths.map((length, index) => Buffer.alloc(length, index + 1));
          const stream = Buffer.concat(sent.map(framed));
          const seen: Buffer[] = [];
          const reader = readerInto(seen);
          if (direct) feed(reader, stream, [Math.max(...cuts), 30_000]);
          else
            for (let at = 0, turn = 0; at < stream.length; turn++) {
              const end = at + Math.max(cuts[turn % cuts.length] ?? 1, 3);
              reader.push(stream.subarray(at, end));
              at = end;
            }
          // A length of 0 is a sign of life, not a message.
          expect(seen.map(({ length }) => length)).toEqual(lengths.filter((length) => length > 0));
          const expected = Buffer.concat(sent);
          expect(Buffer.concat(seen).equals(expected)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('larger than may be are refused before memory is taken', () => {
    for (const head of ['ffffffff', '00030d41']) {
      const refused = () => readerInto([]).push(Buffer.from(head, 'hex'));
      expect(refused).toThrow('larger than messages may be');
    }
  });

  it('that are cut short stay unseen, and nothing is taken after a stop', () => {
    const seen: Buffer[] = [];
    const reader = readerInto(seen);
    reader.push(Buffer.from('0000000501020304', 'hex'));
    expect(seen).toEqual([]);
    reader.stop();
    reader.push(Buffer.from('05', 'hex'));
    expect(seen).toEqual([]);
  });

  it('never break anything but with a bad-message Failure, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (chunks) => {
        const reader = readerInto([]);
        try {
          for (const chunk of chunks) reader.push(Buffer.from(chunk));
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid', code: 'bad-message' });
        }
      }),
    );
  });
});
