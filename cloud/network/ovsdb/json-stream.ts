/** JSON texts that follow one another on a stream without anything between them, as OVSDB's peers write them. */
import { StringDecoder } from 'node:string_decoder';
import { Failure } from '#common';

const charactersMax = 64 * 1024 * 1024;

export class JsonStream {
  private readonly decoder = new StringDecoder('utf8');
  private text = '';
  private at = 0;
  private depth = 0;
  private quoted = false;
  private escaped = false;
  private start = 0;

  /** Returns the texts that are whole now. */
  push(chunk: Buffer): unknown[] {
    this.text += this.decoder.write(chunk);
    if (this.text.length > charactersMax)
      throw new Failure(
        'invalid',
        'ovsdb-message-too-long',
        'The database sends too long a message',
      );
    const whole: unknown[] = [];
    for (; this.at < this.text.length; this.at++) {
      if (!this.step(this.text.charCodeAt(this.at))) continue;
      whole.push(JSON.parse(this.text.slice(this.start, this.at + 1)));
      this.start = this.at + 1;
    }
    this.text = this.text.slice(this.start);
    this.at -= this.start;
    this.start = 0;
    return whole;
  }

  /** Whether this character ends a text. */
  private step(code: number): boolean {
    if (this.quoted) {
      if (this.escaped) this.escaped = false;
      else if (code === 0x5c) this.escaped = true;
      else if (code === 0x22) this.quoted = false;
      return false;
    }
    if (code === 0x22) this.quoted = true;
    else if (code === 0x7b || code === 0x5b) this.depth++;
    else if (code === 0x7d || code === 0x5d) return --this.depth === 0;
    return false;
  }
}
