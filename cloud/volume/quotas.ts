/** What volumes, snapshots, backups and groups count towards a project's quotas, and what is said when there is no more. */
import { type Facts, isFailure } from '#common';
import type { Tx, VolumeCore } from './core.ts';
import { volumeFailure } from './failures.ts';
import type { VolumeSettings } from './settings.ts';

/** Quota name → how much. */
export type Amounts = Readonly<Record<string, number>>;

const service = 'volume';

export function quotaDeclarations(settings: VolumeSettings) {
  const limits = {
    volumes: settings.volumesPerProject,
    snapshots: settings.snapshotsPerProject,
    gigabytes: settings.gigabytesPerProject,
    backups: settings.backupsPerProject,
    backup_gigabytes: settings.backupGigabytesPerProject,
    groups: settings.groupsPerProject,
    per_volume_gigabytes: settings.volumeGigabytesMax,
  };
  return Object.entries(limits).map(([name, defaultLimit]) => ({
    resource: resourceOf(name),
    defaultLimit,
  }));
}

export const resourceOf = (name: string): string => `${service}.${name}`;

/** What a volume type of this name is counted by; unlimited unless an administrator says otherwise. */
export function typeQuotas(typeName: string): readonly string[] {
  return ['volumes', 'gigabytes', 'snapshots'].map((what) => `${what}_${typeName}`);
}

/** A volume counts on the whole and towards its type. */
export function volumeAmounts(typeName: string, gib: number): Amounts {
  return {
    volumes: 1,
    gigabytes: gib,
    [`volumes_${typeName}`]: 1,
    [`gigabytes_${typeName}`]: gib,
  };
}

export function snapshotAmounts(typeName: string, gib: number): Amounts {
  return {
    snapshots: 1,
    gigabytes: gib,
    [`snapshots_${typeName}`]: 1,
    [`gigabytes_${typeName}`]: gib,
  };
}

export function backupAmounts(gib: number): Amounts {
  return { backups: 1, backup_gigabytes: gib };
}

/** Makes what `holder` (a volume, snapshot …) counts these amounts; refused in Cinder's words when there is no room. */
export async function hold(
  core: VolumeCore,
  transaction: Tx,
  projectId: string,
  holder: string,
  amounts: Amounts,
): Promise<void> {
  for (const name of Object.keys(amounts)) core.declareQuota(name);
  const named = Object.fromEntries(
    Object.entries(amounts).map(([name, amount]) => [resourceOf(name), amount]),
  );
  try {
    await core.quotas.reserve(transaction, { scope: projectId, holder }, named);
  } catch (error) {
    if (isFailure(error) && error.code === 'over-quota')
      throw volumeFailure('over-quota', { why: sentenceOf(error.facts) }, error);
    throw error;
  }
}

export async function refuseTooLarge(
  core: VolumeCore,
  projectId: string,
  gib: number,
): Promise<void> {
  const limits = await core.quotas.limits(projectId, service);
  const limit = limits[resourceOf('per_volume_gigabytes')] ?? -1;
  if (limit >= 0 && gib > limit)
    throw volumeFailure('over-quota', {
      why: `VolumeSizeExceedsLimit: Requested volume size ${gib}G is larger than maximum allowed limit ${limit}G.`,
    });
}

function sentenceOf(facts: Facts): string {
  const name = String(facts.resource).slice(service.length + 1);
  const limit = Number(facts.limit);
  if (name.startsWith('gigabytes'))
    return `VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed ${name} quota. Requested ${facts.requested}G, quota is ${limit}G and ${facts.used}G has been consumed.`;
  if (name === 'backup_gigabytes')
    return `VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested ${facts.requested}G, quota is ${limit}G and ${facts.used}G has been consumed.`;
  const what = name.startsWith('snapshots')
    ? 'snapshots'
    : name.startsWith('volumes')
      ? 'volumes'
      : name;
  const kind: Record<string, string> = {
    volumes: 'VolumeLimitExceeded',
    snapshots: 'SnapshotLimitExceeded',
    backups: 'BackupLimitExceeded',
    groups: 'GroupLimitExceeded',
  };
  return `${kind[what] ?? 'OverQuota'}: Maximum number of ${what} allowed (${limit}) exceeded for quota '${name}'.`;
}
