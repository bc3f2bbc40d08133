/** On the shelf and off it. */
import Type from 'typebox';
import { refused } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { parseFlavor } from '../../flavor-facts.ts';
import { begin } from '../../operations.ts';
import { findServer, serverMissing } from '../../rows.ts';
import { place } from '../../scheduler.ts';
import { type Action, accepted, beginChange, checked, refuseState } from './action.ts';

export const shelveActions: Readonly<Record<string, Action>> = {
  shelve: {
    policy: 'os_compute_api:os-shelve:shelve',
    run: async (core, request, row) => {
      await beginChange(core, request, row, {
        action: 'shelve',
        kind: 'server.shelve',
        change: 'shelve',
        states: ['active', 'stopped', 'paused', 'suspended'],
      });
      return accepted;
    },
  },
  shelveOffload: {
    policy: 'os_compute_api:os-shelve:shelve_offload',
    run: async (core, request, row) => {
      await beginChange(core, request, row, {
        action: 'shelveOffload',
        kind: 'server.offload',
        change: 'shelve',
        states: ['shelved'],
      });
      return accepted;
    },
  },
  unshelve: {
    policy: 'os_compute_api:os-shelve:unshelve',
    check: checked(
      fields.nullable(
        fields.object({
          availability_zone: fields.optional(fields.text),
          host: Type.Optional(fields.text),
        }),
      ),
    ),
    run: async (core, request, row, argument: { availability_zone?: string; host?: string }) => {
      await core.changeOf(row.project_id, async (transaction) => {
        const now = await findServer(transaction, row.id);
        if (now === undefined) throw serverMissing(row.id);
        if (now.operation_id === null)
          refuseState(now, 'unshelve', ['shelved', 'shelved_offloaded']);
        const placed = await place(core, transaction, {
          serverId: now.id,
          projectId: now.project_id,
          userId: now.user_id,
          flavor: parseFlavor(now.flavor_json),
          zone: argument.availability_zone ?? null,
          group: undefined,
          hints: {},
          ...(argument.host === undefined ? {} : { forcedHost: argument.host }),
        });
        if ('why' in placed) throw refused(placed.why);
        await begin(core, transaction, request, {
          server: now,
          kind: 'server.unshelve',
          action: 'unshelve',
          workflow: 'server.change',
          input: { serverId: now.id, change: 'unshelve', input: placed },
        });
      });
      return accepted;
    },
  },
};
