/** What is not there yet, said as such: each answers 501 in Nova's words. `docs/api-coverage.md` lists them. */
import type { Method, Route } from '#cloud/api';
import { type ComputeCaller, compute } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure } from '../failures.ts';

type Absent = readonly [what: string, path: string, methods: readonly Method[]];

export const absent: readonly Absent[] = [
  ['Snapshots by the hypervisor', '/os-assisted-volume-snapshots', ['POST']],
];

export function absentRoutes(_core: ComputeCore): Route<ComputeCaller>[] {
  return absent.flatMap(([what, path, methods]) =>
    methods.map((method) =>
      compute({
        method,
        path,
        policy: 'any-token',
        handle: () => {
          throw computeFailure('not-implemented', { what });
        },
      }),
    ),
  );
}
