/** Names that are taken, and rows that others still need. */
import { type Failure, isFailure } from '#common';

export function onDuplicate<T>(failure: () => Failure, work: () => Promise<T>): Promise<T> {
  return translated('unique-violation', failure, work);
}

export function onForeignKey<T>(failure: () => Failure, work: () => Promise<T>): Promise<T> {
  return translated('foreign-key-violation', failure, work);
}

async function translated<T>(
  code: string,
  failure: () => Failure,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isFailure(error) && error.code === code) throw failure();
    throw error;
  }
}
