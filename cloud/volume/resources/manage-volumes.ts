/** Volumes of the engine taken over by the service, and given up by it: no byte moves. */
import Type, { type Static } from 'typebox';
import type { Route } from '../../api/index.ts';
import { callerOf, projectOf, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { hold, volumeAmounts } from '../quotas.ts';
import { visibleRow } from '../rows.ts';
import { typeAllowsMultiattach } from '../specs.ts';
import type { VolumeRow } from '../tables.ts';
import { factsOf } from '../volume-facts.ts';
import { removeRows } from '../workflows/change-volume.ts';
import { termsOf } from '../workflows/create-volume.ts';
import { missingIsDone } from '../workflows/missing.ts';
import {
  bootableOf,
  byReference,
  checkHost,
  manageableView,
  manageableVolumes,
} from './manageable.ts';
import { onDuplicate } from './removal.ts';
import { encryptionOf } from './type-encryption.ts';
import { defaultType, visibleType } from './types.ts';
import { volumeDetail } from './volume-views.ts';
import { refuseCopied } from './volumes.ts';

const body = Type.Object(
  {
    volume: Type.Object(
      {
        ref: Type.Unknown(),
        host: fields.optional(fields.text),
        cluster: fields.optional(fields.text),
        name: fields.optional(fields.text),
        description: fields.optional(fields.text),
        volume_type: fields.optional(fields.text),
        availability_zone: fields.optional(fields.text),
        metadata: fields.optional(fields.metadata),
        bootable: Type.Optional(fields.flagOrNull),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
type Wanted = Static<typeof body>['volume'];

export function manageVolumeRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const listed = (full: boolean) => async (request: Request) => ({
    body: {
      'manageable-volumes': manageableView(
        core,
        request,
        await manageableVolumes(core, request),
        full,
      ),
    },
  });
  // The newer path came with 3.8, the older one is an extension that goes on.
  return ['/manageable_volumes', '/os-volume-manage'].flatMap((path) => {
    const versions = path === '/manageable_volumes' ? { versions: { from: '3.8' } } : {};
    const policy = 'volume_extension:list_manageable';
    return [
      ...scoped({ method: 'GET', path, policy, ...versions, handle: listed(false) }),
      ...scoped({
        method: 'GET',
        path: `${path}/detail`,
        policy,
        ...versions,
        handle: listed(true),
      }),
      ...scoped({
        method: 'POST',
        path,
        policy: 'volume_extension:volume_manage',
        ...versions,
        body,
        handle: async (request) => {
          const row = await manage(core, request, request.body.volume);
          const facts = await factsOf(core.db, row);
          return { status: 202, body: { volume: volumeDetail(core, request, facts) } };
        },
      }),
    ];
  });
}

async function manage(core: VolumeCore, request: Request, wanted: Wanted): Promise<VolumeRow> {
  checkHost(core, wanted.host);
  const projectId = projectOf(request);
  const type = wanted.volume_type
    ? await visibleType(core.db, request, wanted.volume_type)
    : await defaultType(core, projectId);
  if (encryptionOf(type) !== undefined)
    throw volumeFailure('refused', {
      why: 'Invalid volume type: Managing to an encrypted volume type is not supported.',
    });
  const zone = wanted.availability_zone || core.settings.zone;
  if (zone !== core.settings.zone)
    throw volumeFailure('invalid-input', { why: `Availability zone '${zone}' is invalid.` });
  const found = byReference(await manageableVolumes(core, request), wanted.ref);
  const now = core.clock.nowUs();
  const row: VolumeRow = {
    id: found.id,
    project_id: projectId,
    user_id: callerOf(request).userId,
    name: fields.trimmed(wanted.name),
    description: fields.trimmed(wanted.description),
    size_gib: found.sizeGib,
    type_id: type.id,
    zone,
    bootable: bootableOf(wanted.bootable),
    multiattach: typeAllowsMultiattach(type) ? 1 : 0,
    readonly: 0,
    metadata_json: JSON.stringify(wanted.metadata ?? {}),
    image_metadata_json: '{}',
    snapshot_id: null,
    source_volid: null,
    group_id: null,
    encryption_key_id: null,
    created_at_us: now,
    updated_at_us: now,
    made: 1,
    operation_id: null,
    operation_kind: null,
    failure: null,
  };
  const taken = () =>
    volumeFailure('invalid-volume', {
      why: 'Unable to manage existing volume. The volume is already managed',
    });
  await onDuplicate(taken, () =>
    core.changeOf(projectId, async (transaction) => {
      await hold(core, transaction, projectId, row.id, volumeAmounts(type.name, row.size_gib));
      await transaction.insertInto('volume').values(row).execute();
    }),
  );
  await core.engine.change(row.id, await termsOf(core, type.id));
  return row;
}

/** The volume stays in the engine, as the administrator's who gave it up; what is known of it here goes. */
export async function unmanage(core: VolumeCore, request: Request, id: string): Promise<void> {
  const check = async (from: VolumeCore['db'] | Parameters<typeof removeRows>[1]) => {
    const row = await visibleRow(from, request, 'volume', id);
    const { status } = await factsOf(from, row);
    if (row.encryption_key_id !== null)
      throw volumeFailure('refused', { why: 'Unmanaging encrypted volumes is not supported.' });
    const snapshot = await from
      .selectFrom('volume_snapshot')
      .select('id')
      .where('volume_id', '=', id)
      .executeTakeFirst();
    if (status !== 'available' || row.group_id !== null || snapshot !== undefined)
      throw volumeFailure('invalid-volume', {
        why: 'Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.',
      });
  };
  await check(core.db);
  const pins = await core.db
    .selectFrom('volume_backup')
    .select('pin_id')
    .where('volume_id', '=', id)
    .where('pin_id', '<>', '')
    .execute();
  // Its index is only where it is listed: should the rest be refused, nothing is lost by that.
  await core.engine.change(id, { project: projectOf(request) });
  await core.change(async (transaction) => {
    await check(transaction);
    await refuseCopied(transaction, 'source_volid', id);
    await removeRows(core, transaction, id);
  });
  for (const { pin_id: pin } of pins)
    await missingIsDone(() => core.engine.deleteSnapshot(id, pin));
}
