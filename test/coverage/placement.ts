/** Every operation of Placement's API (to 1.28), and what of it is there. */
import type { Route } from '#cloud/api';
import type { ComputeCaller } from '../../compute-hooks/caller.ts';
import { refusedWrites } from '../../compute-hooks/placement/routes.ts';

const notes: Readonly<Record<string, string>> = {
  'GET /allocation_candidates':
    '`resources`, `required`, `member_of`, `limit`; no numbered groups: hosts have no parts',
};

export function placementRows(routes: readonly Route<ComputeCaller>[]): string[][] {
  const refused = new Set(
    refusedWrites.flatMap(([path, methods]) => methods.map((method) => `${method} ${path}`)),
  );
  return routes
    .map(({ method, path, policy }) => {
      const operation = `${method} ${path}`;
      if (refused.has(operation))
        return [`\`${operation}\``, 'refused', '501: the scheduler alone writes it'];
      const note = notes[operation];
      return [`\`${operation}\``, 'works', `\`${policy}\`${note === undefined ? '' : `; ${note}`}`];
    })
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}
