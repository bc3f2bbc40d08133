/** Puts the parts of a blob read together: one copy when there are several, none when there is one. */
import { giveBack } from '#common';
import { badMessage, type Decoder } from '../codec/decoder.ts';
import { lentView } from '../lent-view.ts';
import type { ReplyMemory } from './exchange.ts';

export class PartReader {
  private readonly lengthMax: number;
  private first: Buffer | undefined;
  private target: Buffer | undefined;
  private length = 0;

  constructor(lengthMax: number) {
    this.lengthMax = lengthMax;
  }

  /** True when this was the last part. */
  take(content: Decoder, memory: ReplyMemory): boolean {
    let data: Buffer | undefined;
    let more = false;
    for (let field = content.field(); field !== 0; field = content.field()) {
      if (field === 1) data = content.bytes();
      else if (field === 2) more = content.bool();
      else content.skip();
    }
    if (data !== undefined) this.add(lentView(data, memory.buffers), more);
    return !more;
  }

  whole(): Buffer {
    if (this.first !== undefined) return this.first;
    return this.target?.subarray(0, this.length) ?? Buffer.alloc(0);
  }

  private add(data: Buffer, more: boolean): void {
    if (this.length + data.length > this.lengthMax) throw badMessage('more than was asked for');
    if (this.target === undefined && !more) {
      this.first = data;
      return;
    }
    this.target ??= Buffer.allocUnsafeSlow(this.lengthMax);
    data.copy(this.target, this.length);
    this.length += data.length;
    giveBack(data);
  }
}
