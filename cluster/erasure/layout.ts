/**
 * Where a blob's bytes are in its fragments.
 *
 * The blob is cut into segments of 1 MiB, each segment into k equal runs, of which the last ones of the last segment are filled up with
 * zeroes. Data fragment j is the j-th run of every segment, one after the other; parity fragments are computed byte by byte from the
 * same place of all data fragments. So all fragments of a blob are equally long, any range of them can be recovered by itself, and
 * a range of the blob touches only the segments and runs that it lies in.
 */
import type { Code } from './code.ts';

export const segmentBytes = 1024 * 1024;
const alignment = 16;

/** Bytes that a segment of `length` puts into each fragment. */
export function runBytes({ k }: Pick<Code, 'k'>, length: number): number {
  return Math.ceil(length / k / alignment) * alignment;
}

/** Bytes of each fragment, the trailer left out. */
export function fragmentDataBytes(code: Code, blobLength: number): number {
  const whole = Math.floor(blobLength / segmentBytes);
  return whole * runBytes(code, segmentBytes) + runBytes(code, blobLength - whole * segmentBytes);
}

/** A range of one data fragment that belongs to a range of the blob. */
export interface Run {
  readonly index: number;
  /** In the fragment. */
  readonly offset: number;
  readonly length: number;
}

/** The runs of `length` bytes from `offset` on, in order; all within one segment. */
export function runsWithin(
  code: Code,
  blobLength: number,
  offset: number,
  length: number,
): readonly Run[] {
  const segment = Math.floor(offset / segmentBytes);
  const begin = segment * segmentBytes;
  const bytes = runBytes(code, Math.min(segmentBytes, blobLength - begin));
  const base = segment * runBytes(code, segmentBytes);
  const runs: Run[] = [];
  const end = offset + length - begin;
  for (let at = offset - begin; at < end; ) {
    const index = Math.floor(at / bytes);
    const within = at - index * bytes;
    const take = Math.min(bytes - within, end - at);
    runs.push({ index, offset: base + within, length: take });
    at += take;
  }
  return runs;
}

/** Bytes from `offset` up to the end of its segment, or of the range. */
export function stepFrom(offset: number, end: number): number {
  return Math.min(end - offset, segmentBytes - (offset % segmentBytes));
}
