/** A blob on its way to a device of another node: parts go out as long as no more than the window is unanswered. */
import { badMessage, type Decoder } from '../codec/decoder.ts';
import type { Encoder } from '../codec/encoder.ts';
import { frameKind } from '../codec/frames.ts';
import { type BlobOpening, writeOpening } from '../codec/messages.ts';
import type { BlobWriter } from '../device-service.ts';
import { lentBytesMin } from '../lent-view.ts';
import type { WireSettings } from '../settings.ts';
import type { Exchange } from './exchange.ts';

export class RemoteBlobWriter implements BlobWriter {
  private readonly exchange: Exchange;
  private readonly device: number;
  private readonly settings: WireSettings;
  private writer = 0;
  private unansweredBytes = 0;
  private failure: { readonly error: unknown } | undefined;
  private wake: (() => void) | undefined;

  constructor(exchange: Exchange, device: number, settings: WireSettings) {
    this.exchange = exchange;
    this.device = device;
    this.settings = settings;
  }

  open(opening: BlobOpening): Promise<void> {
    return this.step(
      (to) => writeOpening(to, frameKind.openBlob, opening),
      (id) => {
        this.writer = id;
      },
    );
  }

  async append(chunks: readonly Buffer[], onReleased?: () => void): Promise<void> {
    // One for the loop itself, which may be slower than the answers.
    let unanswered = 1;
    const answered = () => {
      unanswered -= 1;
      if (unanswered === 0) onReleased?.();
    };
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += this.settings.batchBytesMax) {
        await this.room();
        unanswered += 1;
        this.sendPart(chunk.subarray(at, at + this.settings.batchBytesMax), answered);
      }
    }
    answered();
    await this.room();
  }

  async commit(): Promise<void> {
    this.checkGood();
    await this.step((to) => this.writeNumber(to, frameKind.commitBlob));
    this.checkGood();
  }

  async abort(): Promise<void> {
    if (!this.exchange.usable) return;
    try {
      await this.step((to) => this.writeNumber(to, frameKind.abortBlob));
    } catch (error) {
      // Whatever kept the node from hearing of it, it forgets the blob when the connection ends.
      this.failure ??= { error };
    }
  }

  /** `taken`: the node has all of it, so nothing of it is on its way any more. */
  private sendPart(data: Buffer, taken: () => void): void {
    this.unansweredBytes += data.length;
    const write = (to: Encoder) => {
      const start = to.begin(frameKind.appendBlob);
      to.uint(1, this.writer);
      to.bytes(2, data);
      to.end(start);
    };
    const { length } = data;
    const settled = () => {
      this.unansweredBytes -= length;
      this.wake?.();
    };
    const answered = () => {
      settled();
      taken();
    };
    this.step(write, undefined, length >= lentBytesMin).then(answered, (error: unknown) => {
      this.failure ??= { error };
      settled();
    });
  }

  /** Waits until another part may go out. */
  private async room(): Promise<void> {
    const mostBytes = this.settings.blobWindowBytes - this.settings.batchBytesMax;
    while (this.failure === undefined && this.unansweredBytes > Math.max(0, mostBytes))
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    this.checkGood();
  }

  private checkGood(): void {
    if (this.failure !== undefined) throw this.failure.error;
  }

  private writeNumber(to: Encoder, kind: number): void {
    const start = to.begin(kind);
    to.uint(1, this.writer);
    to.end(start);
  }

  private step(
    write: (to: Encoder) => void,
    sent?: (id: number) => void,
    alone = false,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (kind: number, _content: Decoder) => {
        if (kind !== frameKind.done) throw badMessage('an unexpected reply');
        resolve();
        return true;
      };
      const id = this.exchange.request(this.device, write, take, reject, alone);
      sent?.(id);
    });
  }
}
