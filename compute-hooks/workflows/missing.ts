/** What is gone already need not be taken away. */
import { isFailure } from '#common';

export async function missingIsDone(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isFailure(error, 'missing')) throw error;
  }
}
