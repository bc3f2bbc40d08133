/**
 * Makes a fragment anew from k others. All fragments of a blob are equally long and computed byte by byte from the same place of the
 * others, so it goes along them step by step, whatever the segments. Sources that turn out bad or away are replaced on the way.
 */
import {
  type Code,
  codeOfId,
  decodeTrailer,
  encodeTrailer,
  fragmentId,
  fragmentOf,
  ReedSolomon,
  trailerBytes,
} from '#cluster';
import { giveBack, isFailure } from '#common';
import type { BlobKey } from '#wire';
import type { Peer } from '../peer.ts';
import type { CopyOutcome } from './row-copy.ts';

const stepBytes = 262_144;

export interface FragmentSource {
  readonly index: number;
  readonly peer: Peer;
}

export interface FragmentWork {
  /** The fragment that is to be made. */
  readonly key: BlobKey;
  readonly length: number;
  readonly sources: readonly FragmentSource[];
  readonly target: Peer;
  readonly wait: (bytes: number) => Promise<void>;
}

export async function makeFragment(work: FragmentWork): Promise<CopyOutcome> {
  const { blobId, index } = fragmentOf(work.key.id);
  const code = codeOfId(blobId);
  if (code === undefined) return { outcome: 'irreparable', reason: 'no fragment' };
  const sources = new Sources(work, blobId, code);
  const dataBytes = work.length - trailerBytes;
  try {
    const trailer = await sources.trailer(dataBytes);
    const { target, key, wait } = work;
    const writer = await target.call((service) =>
      service.openBlob(key, { lengthHint: work.length }),
    );
    try {
      const coder = new ReedSolomon(code.k, code.m);
      for (let offset = 0; offset < dataBytes; offset += stepBytes) {
        const length = Math.min(stepBytes, dataBytes - offset);
        await wait(length * (code.k + 1));
        const present = await sources.read(offset, length);
        const pieces = new Map([...present].map(([at, bytes]) => [at, [bytes]]));
        const made = coder.recover(pieces, [index], length);
        for (const bytes of present.values()) giveBack(bytes);
        await target.call(() => writer.append(made));
      }
      await target.call(() => writer.append([encodeTrailer({ ...trailer, index })]));
      await target.call(() => writer.commit());
    } catch (error) {
      await writer.abort();
      throw error;
    }
    return { outcome: 'copied', bytes: work.length, written: 1 };
  } catch (error) {
    if (error === tooFew) return sources.verdict();
    return { outcome: 'failed', error };
  }
}

const tooFew = new Error('too few fragments');

/** k of the sources at a time. */
class Sources {
  private readonly key: BlobKey;
  private readonly blobId: string;
  private readonly code: Code;
  private chosen: FragmentSource[];
  private readonly spare: FragmentSource[];
  private away: unknown;

  constructor({ key, sources }: FragmentWork, blobId: string, code: Code) {
    this.key = key;
    this.blobId = blobId;
    this.code = code;
    this.chosen = sources.slice(0, code.k);
    this.spare = sources.slice(code.k);
  }

  /** What all of them say of the blob; who says something else is none of them. */
  async trailer(dataBytes: number) {
    const ends = await this.read(dataBytes, trailerBytes, (bytes, index) => {
      decodeTrailer(bytes, this.blobId, this.code, index);
    });
    const [first] = ends;
    if (first === undefined) throw tooFew;
    return decodeTrailer(first[1], this.blobId, this.code, first[0]);
  }

  async read(
    offset: number,
    length: number,
    check: (bytes: Buffer, index: number) => void = () => undefined,
  ): Promise<Map<number, Buffer>> {
    const found = new Map<number, Buffer>();
    for (;;) {
      const open = this.chosen.filter(({ index }) => !found.has(index));
      if (found.size + open.length < this.code.k) throw tooFew;
      await Promise.all(
        open.map(async (source) => {
          try {
            const bytes = await this.readOne(source, offset, length);
            check(bytes, source.index);
            found.set(source.index, bytes);
          } catch (error) {
            this.replace(source, error);
          }
        }),
      );
      if (found.size >= this.code.k) return found;
    }
  }

  /** Of what was in reach too little is good; what was out of reach may have more. */
  verdict(): CopyOutcome {
    if (this.away !== undefined) return { outcome: 'failed', error: this.away };
    return { outcome: 'irreparable', reason: `fewer than ${this.code.k} good fragments are left` };
  }

  private async readOne({ index, peer }: FragmentSource, offset: number, length: number) {
    const key = { id: fragmentId(this.blobId, index), hash: this.key.hash };
    const bytes = await peer.call((service) => service.readBlob(key, offset, length));
    if (bytes.length < length) throw tooFew;
    return bytes;
  }

  private replace(source: FragmentSource, error: unknown): void {
    if (isFailure(error) && error.kind !== 'corrupt' && error.kind !== 'missing') this.away = error;
    else if (!isFailure(error) && error !== tooFew) throw error;
    const other = this.spare.shift();
    this.chosen = this.chosen.filter((one) => one !== source);
    if (other !== undefined) this.chosen.push(other);
  }
}
