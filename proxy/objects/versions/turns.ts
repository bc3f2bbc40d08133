/** Whoever changes which version of a name is current waits for the others of this process, and tries again where one elsewhere was first. */
import type { ObjectContext } from '../context.ts';
import { objectFailure } from '../failures.ts';
import type { ObjectRef } from '../object-service.ts';

const attemptsMax = 100;

/** `attempt` returns undefined to be tried again. */
export async function inTurn<T>(
  context: ObjectContext,
  { container, name }: ObjectRef,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  return await context.locks.run(`${container.id}/${name}`, async () => {
    for (let count = 0; count < attemptsMax; count++) {
      const outcome = await attempt();
      if (outcome !== undefined) return outcome;
    }
    throw objectFailure('version-contended', 'Too many write to this object at once', {
      facts: { object: name },
    });
  });
}
