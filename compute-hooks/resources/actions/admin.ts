/** Locks, security groups, and what administrators do to servers. */
import Type from 'typebox';
import { callerOf } from '../../caller.ts';
import type { ComputeCore } from '../../core.ts';
import { computeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { record } from '../../operations.ts';
import type { ServerRow } from '../../tables.ts';
import { type Action, accepted, checked } from './action.ts';

async function sayBroken(core: ComputeCore, row: ServerRow): Promise<void> {
  const failed_at_us = core.clock.nowUs();
  const failure = 'An administrator set this status.';
  await core.db
    .updateTable('compute_server')
    .set({ failure, failed_at_us, operation_kind: 'server.reboot-hard' })
    .where('id', '=', row.id)
    .where('operation_id', 'is', null)
    .execute();
}

export const adminActions: Readonly<Record<string, Action>> = {
  lock: {
    policy: 'os_compute_api:os-lock-server:lock',
    whileLocked: true,
    check: checked(
      fields.nullable(
        fields.object({
          locked_reason: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
        }),
      ),
    ),
    run: async (core, request, row, argument: { locked_reason?: string }) => {
      const locked_reason = request.minor >= 73 ? (argument.locked_reason ?? null) : null;
      const locked_by = callerOf(request).userId === row.user_id ? 'owner' : 'admin';
      await core.change(async (transaction) => {
        await transaction
          .updateTable('compute_server')
          .set({ locked_by, locked_reason })
          .where('id', '=', row.id)
          .execute();
        await record(core, transaction, request, row, 'lock');
      });
      return accepted;
    },
  },
  unlock: {
    policy: 'os_compute_api:os-lock-server:unlock',
    whileLocked: true,
    run: async (core, request, row) => {
      if (
        row.locked_by === 'admin' &&
        !request.may('os_compute_api:os-lock-server:unlock:unlock_override')
      )
        throw computeFailure('forbidden-action', {
          action: 'os_compute_api:os-lock-server:unlock:unlock_override',
        });
      await core.change(async (transaction) => {
        await transaction
          .updateTable('compute_server')
          .set({ locked_by: null, locked_reason: null })
          .where('id', '=', row.id)
          .execute();
        await record(core, transaction, request, row, 'unlock');
      });
      return accepted;
    },
  },
  /** A status is computed: `active` looks again at the guest and forgets the last failure, `error` is a failure that an administrator says. */
  'os-resetState': {
    policy: 'os_compute_api:os-admin-actions:reset_state',
    whileLocked: true,
    check: checked(fields.object({ state: Type.Enum(['active', 'error']) })),
    run: async (core, _request, row, { state }: { state: 'active' | 'error' }) => {
      if (row.operation_id !== null)
        throw computeFailure('refused-conflict', {
          why: 'An operation is at work on the server; it ends by itself, or can be cancelled.',
        });
      if (state === 'error') {
        await sayBroken(core, row);
        return accepted;
      }
      const here = row.host === null ? 'off' : await core.host(row.host).hypervisor.power(row.id);
      const power = here === 'off' ? (row.power === 'suspended' ? 'suspended' : 'stopped') : here;
      if (row.made === 1)
        await core.db
          .updateTable('compute_server')
          .set({ failure: null, failed_at_us: null, power })
          .where('id', '=', row.id)
          .where('operation_id', 'is', null)
          .execute();
      return accepted;
    },
  },
};
