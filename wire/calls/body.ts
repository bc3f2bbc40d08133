/** The bytes of a call as a stream: what is written becomes frames of bytes, what comes as frames of bytes is read. */
import { Duplex } from 'node:stream';
import type { Failure } from '#common';
import { bytesFrames, type Frame, kinds } from './frames.ts';

export interface BodyParts {
  readonly frames: AsyncGenerator<Frame, void>;
  /** Sends one frame; calls back when more may be sent. */
  send(frame: Buffer, done: (error?: Error | null) => void): void;
  /** Nothing more is written. */
  end(done: () => void): void;
  /** Either side lets go before its end. */
  drop(error: Error | null): void;
  /** A frame that is not bytes: whether the body goes on, is over, or broken. */
  other(frame: Frame): 'more' | 'over' | Failure;
}

export function bodyOf(parts: BodyParts): Duplex {
  let reading = false;
  const body = new Duplex({
    read() {
      if (reading) return;
      reading = true;
      void pull();
    },
    write(chunk: Buffer, _encoding, done) {
      const pieces = bytesFrames(chunk);
      const next = (error?: Error | null): void => {
        const piece = error === undefined || error === null ? pieces.next() : undefined;
        if (piece === undefined || piece.done === true) done(error);
        else parts.send(piece.value, next);
      };
      next();
    },
    final(done) {
      parts.end(() => done());
    },
    destroy(error, done) {
      parts.drop(error);
      done(error);
    },
  });
  async function pull(): Promise<void> {
    try {
      for (;;) {
        const { value: frame } = await parts.frames.next();
        if (frame === undefined) break;
        if (frame.kind === kinds.bytes) {
          reading = false;
          body.push(frame.payload);
          return;
        }
        const verdict = parts.other(frame);
        if (verdict === 'over') break;
        if (verdict !== 'more') throw verdict;
      }
      body.push(null);
    } catch (error) {
      body.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }
  return body;
}
