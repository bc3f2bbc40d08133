/** On, off, again, still, asleep. */
import { guestSpec } from '../../guest-spec.ts';
import type { Change } from '../change-server.ts';
import { startGuest } from '../parts.ts';

export const powerChanges: Readonly<Record<string, Change>> = {
  start: {
    run: async (core, { server, signal }) => {
      await startGuest(core, server, signal);
      return { row: { power: 'running' } };
    },
  },
  stop: {
    run: async (core, { server }) => {
      const { hypervisor } = core.host(server.host);
      await hypervisor.stop(server.id, { graceMs: core.settings.stopGraceMs });
      return { row: { power: 'stopped' } };
    },
  },
  reboot: {
    run: async (core, { server }) => {
      await core.host(server.host).hypervisor.askReboot(server.id);
      return { row: { power: 'running' } };
    },
  },
  /** Power off, power on: also mends a server that is in error. */
  'reboot-hard': {
    run: async (core, { server, signal }) => {
      const { hypervisor } = core.host(server.host);
      await hypervisor.stop(server.id, { graceMs: 0 });
      await startGuest(core, server, signal);
      return { row: { power: 'running' } };
    },
  },
  pause: {
    run: async (core, { server }) => {
      await core.host(server.host).hypervisor.pause(server.id);
      return { row: { power: 'paused' } };
    },
  },
  unpause: {
    run: async (core, { server }) => {
      await core.host(server.host).hypervisor.resume(server.id);
      return { row: { power: 'running' } };
    },
  },
  suspend: {
    run: async (core, { server, signal }) => {
      await core.host(server.host).hypervisor.suspend(server.id, signal);
      return { row: { power: 'suspended' } };
    },
  },
  resume: {
    run: async (core, { server, signal }) => {
      const spec = await guestSpec(core, server);
      await core.host(server.host).hypervisor.wake(spec, signal);
      return { row: { power: 'running' } };
    },
  },
  /** Off, and out of sight until it is restored or its time is up. */
  'soft-delete': {
    run: async (core, { server }) => {
      const { hypervisor } = core.host(server.host);
      await hypervisor.stop(server.id, { graceMs: core.settings.stopGraceMs });
      return { row: { mode: 'soft-deleted', power: 'stopped' } };
    },
  },
  restore: {
    run: async (core, { server, signal }) => {
      await startGuest(core, server, signal);
      return { row: { mode: 'normal', power: 'running' } };
    },
  },
};
