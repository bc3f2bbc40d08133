/** A systematic Reed–Solomon code: k fragments of data as they are, m of parity, and all of them from any k. */
import { Failure } from '#common';
import { type Pieces, sumFragments } from './kernel.ts';
import { parityRows, recoveryRows } from './matrix.ts';

/** Patterns of loss whose factors are remembered; one is k × (losses) bytes. */
const rememberedMax = 512;

export class ReedSolomon {
  readonly k: number;
  readonly m: number;
  private readonly parity: readonly Uint8Array[];
  private readonly remembered = new Map<string, readonly Uint8Array[]>();

  constructor(k: number, m: number) {
    if (!(Number.isInteger(k) && Number.isInteger(m) && k >= 1 && m >= 1 && k + m <= 255))
      throw new Failure('invalid', 'bad-code', 'A code has k ≥ 1, m ≥ 1 and k + m ≤ 255', {
        facts: { k, m },
      });
    this.k = k;
    this.m = m;
    this.parity = parityRows(k, m);
  }

  /** The parity of data fragments of at most `length` bytes; shorter ones count as if zeroes followed. */
  encode(data: readonly Pieces[], length: number): Buffer[] {
    const parity = this.parity.map(() => Buffer.allocUnsafeSlow(length));
    sumFragments(data, this.parity, parity);
    return parity;
  }

  /** Bytes of the wanted fragments from the same bytes of `k` others. */
  recover(
    present: ReadonlyMap<number, Pieces>,
    wanted: readonly number[],
    length: number,
  ): Buffer[] {
    const chosen = [...present.keys()].sort((a, b) => a - b).slice(0, this.k);
    if (chosen.length < this.k)
      throw new Failure(
        'bug',
        'fragments-lacking',
        'A stripe was to be made from too few fragments',
        {
          facts: { present: chosen.length, k: this.k },
        },
      );
    const outputs = wanted.map(() => Buffer.allocUnsafeSlow(length));
    const inputs = chosen.map((index) => present.get(index) ?? []);
    sumFragments(inputs, this.factorsOf(chosen, wanted), outputs);
    return outputs;
  }

  private factorsOf(present: readonly number[], wanted: readonly number[]): readonly Uint8Array[] {
    const pattern = `${present.join()}>${wanted.join()}`;
    const known = this.remembered.get(pattern);
    if (known !== undefined) return known;
    const factors = recoveryRows(this.k, this.m, present, wanted);
    if (this.remembered.size >= rememberedMax) this.remembered.clear();
    this.remembered.set(pattern, factors);
    return factors;
  }
}
