/**
 * The CRC of two runs of bytes put together, from their CRCs and the second one's length: multiplication by x^(8·length)
 * modulo the polynomial, bits reflected, as zlib's `crc32_combine` does it.
 */
import { checksumBytes } from './checksum-algorithms.ts';

export type CrcAlgorithm = 'crc32' | 'crc32c' | 'crc64nvme';

const polynomials: Readonly<Record<CrcAlgorithm, bigint>> = {
  crc32: 0xedb88320n,
  crc32c: 0x82f63b78n,
  crc64nvme: 0x9a6c9329ac4bc9b5n,
};

/** Combines many: remembers the factor of each length, since parts are mostly of one size. */
export class CrcCombiner {
  private readonly polynomial: bigint;
  private readonly one: bigint;
  private readonly factors = new Map<number, bigint>();
  private crc = 0n;

  constructor(algorithm: CrcAlgorithm) {
    this.polynomial = polynomials[algorithm];
    this.one = 1n << BigInt(checksumBytes[algorithm] * 8 - 1);
  }

  append(crc: Buffer, lengthBytes: number): void {
    const next = BigInt(`0x${crc.toString('hex')}`);
    this.crc = this.multiply(this.factorOf(lengthBytes), this.crc) ^ next;
  }

  digest(): Buffer {
    const digits = this.one.toString(16).length;
    return Buffer.from(this.crc.toString(16).padStart(digits, '0'), 'hex');
  }

  private factorOf(lengthBytes: number): bigint {
    const known = this.factors.get(lengthBytes);
    if (known !== undefined) return known;
    let factor = this.one;
    // x^8, then its squares.
    let power = this.one >> 8n;
    for (let left = BigInt(lengthBytes); left > 0n; left >>= 1n) {
      if ((left & 1n) === 1n) factor = this.multiply(power, factor);
      power = this.multiply(power, power);
    }
    this.factors.set(lengthBytes, factor);
    return factor;
  }

  private multiply(a: bigint, b: bigint): bigint {
    let product = 0n;
    let shifted = b;
    for (let bit = this.one; bit > 0n; bit >>= 1n) {
      if ((a & bit) !== 0n) product ^= shifted;
      shifted = (shifted & 1n) === 1n ? (shifted >> 1n) ^ this.polynomial : shifted >> 1n;
    }
    return product;
  }
}
