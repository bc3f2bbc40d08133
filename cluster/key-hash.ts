/** The salted hash that places rows and blobs: xxhash64 of salt and name, of which the upper 32 bits are used. */
import xxhash from 'xxhash-wasm';
import { Failure } from '#common';

const hasher = await xxhash();

const rememberedMax = 1024;

export class KeyHasher {
  private readonly seed: bigint;
  private readonly prefix: string;
  // Partition keys come in bursts (one container, one volume); remembering them saves an encode and two bigints a call.
  private remembered = new Map<string, number>();

  /** `salt` is the cluster's secret: 16 bytes or more, the same for the cluster's whole life. */
  constructor(salt: Buffer) {
    if (salt.length < 16)
      throw new Failure('invalid', 'bad-salt', 'The cluster salt is too short', {
        facts: { bytes: salt.length },
      });
    this.seed = salt.readBigUInt64BE(0);
    this.prefix = salt.toString('hex', 8);
  }

  /** Where the rows of a partition key live. */
  ofPartition(table: string, partition: string): number {
    // Table names have no '/', so the two parts cannot be confused.
    const name = `${table}/${partition}`;
    const known = this.remembered.get(name);
    if (known !== undefined) return known;
    const hash = this.hash(`row:${name}`);
    if (this.remembered.size >= rememberedMax) this.remembered.clear();
    this.remembered.set(name, hash);
    return hash;
  }

  /** Where a blob lives. */
  ofBlob(id: string): number {
    return this.hash(`blob:${id}`);
  }

  private hash(name: string): number {
    return Number(hasher.h64(this.prefix + name, this.seed) >> 32n);
  }
}
