/**
 * Sealing a volume's data: AES-256 in XTS mode over lines of 64 KiB, the tweak being where the line lies. What leaves the gateway's
 * memory (segments, write log) is sealed; headers, entries and the map are not: they tell where a guest wrote, never what.
 */
import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv } from 'node:crypto';
import { lineBytes } from './units.ts';

export const dataKeyBytes = 64;
const logMark = 0x80000000;

export interface LinePlace {
  readonly number: number;
  readonly epoch: number;
  readonly line: number;
}

export class LineCipher {
  private readonly key: Buffer;

  constructor(key: Buffer) {
    this.key = key;
  }

  seal(data: Buffer, place: LinePlace): Buffer {
    return whole(createCipheriv('aes-256-xts', this.key, tweakOf(place)), data);
  }

  open(data: Buffer, place: LinePlace): Buffer {
    return whole(createDecipheriv('aes-256-xts', this.key, tweakOf(place)), data);
  }

  /** A batch of the write log, which begins `sector` sectors into the segment's data. */
  sealBatch(data: Buffer, place: Omit<LinePlace, 'line'>, sector: number): Buffer {
    return this.units(data, (unit, line) => this.seal(unit, { ...place, line }), sector);
  }

  openBatch(data: Buffer, place: Omit<LinePlace, 'line'>, sector: number): Buffer {
    return this.units(data, (unit, line) => this.open(unit, { ...place, line }), sector);
  }

  private units(
    data: Buffer,
    change: (unit: Buffer, line: number) => Buffer,
    sector: number,
  ): Buffer {
    const done: Buffer[] = [];
    for (let at = 0; at < data.length; at += lineBytes) {
      const line = logMark + sector + at / 512;
      done.push(change(data.subarray(at, at + lineBytes), line));
    }
    return Buffer.concat(done);
  }
}

/** XTS takes a line in one piece and leaves nothing for the end. */
function whole(cipher: Cipheriv | Decipheriv, data: Buffer): Buffer {
  const changed = cipher.update(data);
  cipher.final();
  return changed;
}

function tweakOf(place: LinePlace): Buffer {
  const tweak = Buffer.alloc(16);
  tweak.writeUInt32LE(place.number % 2 ** 32, 0);
  tweak.writeUInt32LE(Math.floor(place.number / 2 ** 32), 4);
  tweak.writeUInt32LE(place.epoch % 2 ** 32, 8);
  tweak.writeUInt32LE(place.line, 12);
  return tweak;
}
