/** Placement's error bodies: a list of one, with a title and the request's words. */
import type { Dialect } from '#cloud/api';
import { computeFailures } from '../failures.ts';
import { placementMax, placementMin } from './versions.ts';

export const placementDialect: Dialect = {
  failures: computeFailures,
  body: ({ status, title, message }) => ({
    errors: [
      {
        ...{ status, title, detail: message },
        // Clients ask for the newest they know, and learn from this what there is.
        ...(status === 406 ? { max_version: placementMax, min_version: placementMin } : {}),
      },
    ],
  }),
};
