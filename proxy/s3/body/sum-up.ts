/** A body that nobody vouched for, with its checksum computed on the way. */
import type { Fields } from '../../objects/index.ts';
import {
  type ChecksumAlgorithm,
  type RunningChecksum,
  startChecksum,
} from './checksum-algorithms.ts';

export interface SummedBody {
  readonly body: AsyncIterable<Buffer>;
  /** Only after the body's end; empty when no algorithm was asked for. */
  checksums(): Fields;
}

export async function sumUp(
  body: AsyncIterable<Buffer>,
  algorithm: ChecksumAlgorithm | undefined,
): Promise<SummedBody> {
  if (algorithm === undefined) return { body, checksums: () => ({}) };
  const running = await startChecksum(algorithm);
  return {
    body: passing(body, running),
    checksums: () => ({ [algorithm]: running.digest().toString('base64') }),
  };
}

/** The same where what is wanted is known only once the body is asked for. */
export function sumUpLate(
  body: AsyncIterable<Buffer>,
  wanted: () => ChecksumAlgorithm | undefined,
): SummedBody {
  let found: SummedBody | undefined;
  const opening = async function* () {
    found = await sumUp(body, wanted());
    yield* found.body;
  };
  return { body: opening(), checksums: () => found?.checksums() ?? {} };
}

async function* passing(
  body: AsyncIterable<Buffer>,
  running: RunningChecksum,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of body) {
    running.update(piece);
    yield piece;
  }
}
