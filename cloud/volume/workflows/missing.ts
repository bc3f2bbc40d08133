/** Steps are repeated after a crash: what is to go may be gone already. */
import { isFailure } from '#common';

export async function missingIsDone(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isFailure(error) || error.kind !== 'missing') throw error;
  }
}
