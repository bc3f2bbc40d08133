/** Failures in words for people: what an operation keeps of a failure is its sentence, without the facts behind it. */
import { Failure, isFailure } from '#common';
import { imageFailures } from '../failures.ts';

export async function plainFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isFailure(error)) throw error;
    throw new Failure(error.kind, error.code, wordsOf(error), { cause: error });
  }
}

function wordsOf({ code, facts, message }: Failure): string {
  const entry = Object.entries(imageFailures).find(([known]) => known === code)?.[1];
  if (entry !== undefined) return entry.say(facts);
  return typeof facts.reason === 'string' ? facts.reason : message;
}
