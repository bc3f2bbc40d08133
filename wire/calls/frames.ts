/**
 * What travels on one stream of calls, in both directions: frames of a kind (1 byte), a length (4 bytes, big-endian) and a payload.
 *
 * | kind | payload |
 * |---|---|
 * | 0 bytes | a piece of a body, as it is |
 * | 1 arguments | JSON; the first frame of whoever asks |
 * | 2 news | JSON, any number of times before the answer |
 * | 3 answer | JSON |
 * | 4 failure | JSON: `{kind, code, message}` |
 */
import type { Readable } from 'node:stream';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure, isFailure, messageOf } from '#common';

export const kinds = { bytes: 0, arguments: 1, news: 2, answer: 3, failure: 4 } as const;

export interface Frame {
  readonly kind: number;
  readonly payload: Buffer;
}

const headerBytes = 5;
/** Of one frame: a console's log as base64 is the largest. */
const payloadBytesMax = 16 * 1024 * 1024;
/** Bodies are cut into pieces of this size. */
const pieceBytes = 256 * 1024;

export function frameOf(kind: number, payload: Buffer): Buffer {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

export const jsonFrame = (kind: number, value: unknown): Buffer =>
  frameOf(kind, Buffer.from(JSON.stringify(value ?? null)));

export function* bytesFrames(chunk: Buffer): Generator<Buffer> {
  for (let at = 0; at < chunk.length; at += pieceBytes)
    yield frameOf(kinds.bytes, chunk.subarray(at, at + pieceBytes));
}

/** Frames as they come; holds one frame at most. */
export async function* readFrames(from: Readable): AsyncGenerator<Frame, void> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of from) {
    held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer]);
    while (held.length >= headerBytes) {
      const length = held.readUInt32BE(1);
      if (length > payloadBytesMax)
        throw new Failure('invalid', 'frame-too-long', 'A frame is longer than any may be', {
          facts: { length },
        });
      if (held.length < headerBytes + length) break;
      yield {
        kind: held.readUInt8(0),
        payload: held.subarray(headerBytes, headerBytes + length),
      };
      held = held.subarray(headerBytes + length);
    }
  }
  if (held.length > 0) throw new Failure('unreachable', 'frame-torn', 'A stream ended in a frame');
}

export const parsed = (payload: Buffer): unknown => JSON.parse(payload.toString('utf8')) as unknown;

const FailureLine = Type.Object({
  kind: Type.Enum([
    ...(['invalid', 'denied', 'missing', 'conflict', 'busy'] as const),
    ...(['unreachable', 'corrupt', 'closed', 'bug'] as const),
  ]),
  code: Type.String(),
  message: Type.String(),
});

/** Facts are in the message already. */
export function failureFrame(error: unknown): Buffer {
  const { kind, code } = isFailure(error) ? error : { kind: 'bug', code: 'call-failed' };
  return jsonFrame(kinds.failure, { kind, code, message: messageOf(error) });
}

export function failureOf(payload: Buffer): Failure {
  const line = parsed(payload);
  if (!Value.Check(FailureLine, line))
    return new Failure('bug', 'bad-answer', 'The other end failed and does not say how');
  return new Failure(line.kind, line.code, line.message);
}
