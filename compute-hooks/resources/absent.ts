/** What is not there yet, said as such: each answers 501 in Nova's words. `docs/api-coverage.md` lists them. */
import type { Method, Route } from '#cloud/api';
import { type ComputeCaller, compute } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure } from '../failures.ts';

type Absent = readonly [what: string, path: string, methods: readonly Method[]];

export const absent: readonly Absent[] = [
  ['Passwords of servers', '/servers/:server_id/os-server-password', ['GET', 'DELETE']],
  ['Events from other services', '/os-server-external-events', ['POST']],
  ['Snapshots by the hypervisor', '/os-assisted-volume-snapshots', ['POST']],
  ['Audit logs of usage', '/os-instance_usage_audit_log', ['GET']],
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
