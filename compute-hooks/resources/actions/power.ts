/** On, off, again, still, asleep. */
import Type from 'typebox';
import * as fields from '../../fields.ts';
import type { ServerKind } from '../../status.ts';
import { beginDelete } from '../servers.ts';
import { type Action, accepted, beginChange, checked, refuseState } from './action.ts';

function simple(
  policy: string,
  change: string,
  states: readonly string[],
  kind: ServerKind = `server.${change}` as ServerKind,
): Action {
  return {
    policy: `os_compute_api:${policy}`,
    run: async (core, request, row) => {
      await beginChange(core, request, row, { action: change, kind, change, states });
      return accepted;
    },
  };
}

export const powerActions: Readonly<Record<string, Action>> = {
  'os-start': simple('servers:start', 'start', ['stopped']),
  'os-stop': simple('servers:stop', 'stop', ['active', 'error']),
  pause: simple('os-pause-server:pause', 'pause', ['active']),
  unpause: simple('os-pause-server:unpause', 'unpause', ['paused']),
  suspend: simple('os-suspend-server:suspend', 'suspend', ['active']),
  resume: simple('os-suspend-server:resume', 'resume', ['suspended']),
  restore: simple('os-deferred-delete:restore', 'restore', ['soft-delete']),
  reboot: {
    policy: 'os_compute_api:servers:reboot',
    check: checked(
      fields.object({ type: Type.Enum(['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']) }),
    ),
    run: async (core, request, row, argument: { type: string }) => {
      const hard = argument.type.toUpperCase() === 'HARD';
      await beginChange(core, request, row, {
        action: 'reboot',
        kind: hard ? 'server.reboot-hard' : 'server.reboot',
        change: hard ? 'reboot-hard' : 'reboot',
        states: hard ? ['active', 'stopped', 'paused', 'suspended', 'error'] : ['active'],
      });
      return accepted;
    },
  },
  forceDelete: {
    policy: 'os_compute_api:os-deferred-delete:force',
    run: async (core, request, row) => {
      await core.change((transaction) => beginDelete(core, transaction, request, row));
      return accepted;
    },
  },
  trigger_crash_dump: {
    policy: 'os_compute_api:servers:trigger_crash_dump',
    from: 17,
    run: async (core, _request, row) => {
      refuseState(row, 'trigger_crash_dump', ['active', 'paused', 'rescued', 'resized', 'error']);
      await core.host(row.host).hypervisor.interrupt(row.id);
      return accepted;
    },
  },
};
