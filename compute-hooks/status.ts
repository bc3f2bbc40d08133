/**
 * What the API calls a server's status, computed each time from what is known: whether it was made, what it is meant to be, the operation
 * at work, the last failure. Nothing stores a status, so nothing can be stuck in one.
 */
import type { ServerRow } from './tables.ts';

/** Kinds of operation: Nova's task state, what the status is meanwhile, and whether failing makes a server unusable. */
interface Kind {
  readonly task: string;
  readonly status?: string;
  readonly breaks?: true;
}

export const kinds = {
  'server.create': { task: 'spawning', status: 'BUILD', breaks: true },
  'server.delete': { task: 'deleting', breaks: true },
  'server.start': { task: 'powering-on' },
  'server.stop': { task: 'powering-off' },
  'server.reboot': { task: 'rebooting', status: 'REBOOT' },
  'server.reboot-hard': { task: 'rebooting_hard', status: 'HARD_REBOOT', breaks: true },
  'server.pause': { task: 'pausing' },
  'server.unpause': { task: 'unpausing' },
  'server.suspend': { task: 'suspending' },
  'server.resume': { task: 'resuming', breaks: true },
  'server.rebuild': { task: 'rebuilding', status: 'REBUILD', breaks: true },
  'server.resize': { task: 'resize_prep', status: 'RESIZE', breaks: true },
  'server.migrate': { task: 'resize_prep', status: 'RESIZE', breaks: true },
  'server.confirm-resize': { task: 'resize_confirming' },
  'server.revert-resize': { task: 'resize_reverting', status: 'REVERT_RESIZE', breaks: true },
  'server.live-migrate': { task: 'migrating', status: 'MIGRATING' },
  'server.evacuate': { task: 'rebuilding', status: 'REBUILD', breaks: true },
  'server.image': { task: 'image_snapshot' },
  'server.backup': { task: 'image_backup' },
  'server.shelve': { task: 'shelving' },
  'server.offload': { task: 'shelving_offloading' },
  'server.unshelve': { task: 'unshelving', breaks: true },
  'server.rescue': { task: 'rescuing', breaks: true },
  'server.unrescue': { task: 'unrescuing', breaks: true },
  'server.restore': { task: 'restoring' },
  'server.soft-delete': { task: 'soft-deleting' },
  'server.attach-volume': { task: '' },
  'server.detach-volume': { task: '' },
  'server.swap-volume': { task: '' },
  'server.attach-port': { task: '' },
  'server.detach-port': { task: '' },
} as const satisfies Record<string, Kind>;

export type ServerKind = keyof typeof kinds;

export type Facts = Pick<
  ServerRow,
  'made' | 'operation_id' | 'operation_kind' | 'failure' | 'power' | 'mode' | 'deleted_at_us'
>;

function kindOf(row: Facts): Kind | undefined {
  const kind = row.operation_kind ?? '';
  return Object.hasOwn(kinds, kind) ? kinds[kind as ServerKind] : undefined;
}

/** The last operation failed in a way that leaves the server unusable as it is. */
export function isBroken(row: Facts): boolean {
  if (row.operation_id !== null) return false;
  if (row.made === 0) return true;
  return row.failure !== null && kindOf(row)?.breaks === true;
}

export function vmState(row: Facts): string {
  if (row.deleted_at_us !== null) return 'deleted';
  if (isBroken(row)) return 'error';
  if (row.made === 0) return 'building';
  const modes: Readonly<Record<string, string>> = {
    rescued: 'rescued',
    shelved: 'shelved',
    offloaded: 'shelved_offloaded',
    resized: 'resized',
    'soft-deleted': 'soft-delete',
  };
  if (row.mode !== 'normal') return modes[row.mode] ?? 'error';
  const powers: Readonly<Record<string, string>> = {
    running: 'active',
    stopped: 'stopped',
    paused: 'paused',
    suspended: 'suspended',
  };
  return powers[row.power] ?? 'error';
}

export function taskState(row: Facts): string | null {
  if (row.operation_id === null) return null;
  const task = kindOf(row)?.task ?? '';
  return task === '' ? null : task;
}

const statusOfVm: Readonly<Record<string, string>> = {
  active: 'ACTIVE',
  building: 'BUILD',
  stopped: 'SHUTOFF',
  paused: 'PAUSED',
  suspended: 'SUSPENDED',
  rescued: 'RESCUE',
  error: 'ERROR',
  deleted: 'DELETED',
  'soft-delete': 'SOFT_DELETED',
  shelved: 'SHELVED',
  shelved_offloaded: 'SHELVED_OFFLOADED',
  resized: 'VERIFY_RESIZE',
};

export function serverStatus(row: Facts): string {
  const meanwhile = row.operation_id === null ? undefined : kindOf(row)?.status;
  return meanwhile ?? statusOfVm[vmState(row)] ?? 'UNKNOWN';
}

export const powerStates = { running: 1, paused: 3, stopped: 4, suspended: 7 } as const;

export function powerState(row: Facts): number {
  if (row.made === 0 || row.mode === 'offloaded') return row.made === 0 ? 0 : 4;
  if (row.mode === 'shelved') return 4;
  return powerStates[row.power as keyof typeof powerStates] ?? 0;
}
