/** Making a volume: empty, or out of a volume, a snapshot, an image or a backup. */
import Type, { type Static } from 'typebox';
import { isFailure } from '#common';
import type { Route } from '../../api/index.ts';
import { restoredColumns } from '../backed-up-volume.ts';
import { callerOf, flagOf, projectOf, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import type { ImageSource } from '../engine.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { asOfName, keptInstant } from '../instants.ts';
import { findObject, fromObjectName } from '../object-sources.ts';
import { begin } from '../operations.ts';
import { hold, refuseTooLarge, volumeAmounts } from '../quotas.ts';
import { visibleRow } from '../rows.ts';
import { typeAllowsMultiattach } from '../specs.ts';
import type { TypeRow, VolumeRow } from '../tables.ts';
import { factsOf } from '../volume-facts.ts';
import type { CreateInput } from '../workflows/create-volume.ts';
import { groupFor } from './groups.ts';
import { refuseDisabled } from './services.ts';
import { encryptionOf } from './type-encryption.ts';
import { defaultType, findType, visibleType } from './types.ts';
import { volumeView } from './volume-views.ts';

const volumeFields = {
  name: fields.optional(fields.text),
  description: fields.optional(fields.text),
  display_name: fields.optional(fields.text),
  display_description: fields.optional(fields.text),
  volume_type: fields.optional(fields.text),
  metadata: fields.optional(fields.metadata),
  snapshot_id: fields.optional(fields.uuid),
  source_volid: fields.optional(fields.uuid),
  consistencygroup_id: fields.optional(fields.uuid),
  group_id: fields.optional(fields.uuid),
  backup_id: fields.optional(fields.uuid),
  size: fields.optional(fields.sizeGib),
  availability_zone: fields.optional(fields.text),
  multiattach: Type.Optional(fields.flagOrNull),
  image_id: fields.optional(fields.text),
  imageRef: fields.optional(fields.text),
};
/** The scheduler's are taken and have no effect: there is one back end. */
const hints = Type.Object({
  [asOfName]: Type.Optional(Type.String({ maxLength: 64 })),
  [fromObjectName]: Type.Optional(Type.String({ minLength: 1, maxLength: 4_096 })),
});
type Hints = Static<typeof hints>;
const createBody = Type.Object(
  {
    volume: Type.Object(volumeFields),
    'OS-SCH-HNT:scheduler_hints': fields.optional(hints),
  },
  { additionalProperties: false },
);
type Wanted = Static<typeof createBody>['volume'];

/** Where the content comes from, looked up and found fit. */
interface Source {
  readonly input: CreateInput['source'];
  readonly kind: string;
  /** What the size must not be below, and is when none is asked for (an image asks for one). */
  readonly gib?: number;
  readonly typeId?: string;
  readonly image?: ImageSource;
  readonly row: Partial<VolumeRow>;
}

export function createVolumeRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  return scoped({
    method: 'POST',
    path: '/volumes',
    policy: 'volume:create',
    body: createBody,
    handle: async (request) => {
      const wanted = request.body.volume;
      refuseUnknown(request, wanted);
      const projectId = projectOf(request);
      const given = request.body['OS-SCH-HNT:scheduler_hints'] ?? {};
      const source = await sourceOf(core, request, wanted, given);
      const type = await typeOf(core, request, wanted, source, projectId);
      const groupId = request.version.minor >= 13 ? (wanted.group_id ?? null) : null;
      const row: VolumeRow = {
        ...rowOf(core, request, wanted, source, type),
        group_id: groupId === null ? null : await groupFor(core, request, groupId, type),
      };
      await refuseDisabled(core);
      await refuseTooLarge(core, projectId, row.size_gib);
      await core.changeOf(projectId, async (transaction) => {
        await refuseLeaving(transaction, request, source.input);
        await hold(core, transaction, projectId, row.id, volumeAmounts(type.name, row.size_gib));
        await transaction.insertInto('volume').values(row).execute();
        await begin(core, transaction, request, {
          table: 'volume',
          id: row.id,
          kind: source.kind,
          workflow: 'volume.create',
          input: { volumeId: row.id, source: source.input },
          projectId,
        });
      });
      const made = await visibleRow(core.db, request, 'volume', row.id);
      return {
        status: 202,
        body: { volume: volumeView(request, await factsOf(core.db, made)) },
      };
    },
  });
}

/** What it is made of must stay until it is made: deletion, in turn, is refused while something is being made of it. */
async function refuseLeaving(
  transaction: Tx,
  request: Request,
  source: CreateInput['source'],
): Promise<void> {
  if (source.kind === 'snapshot') {
    const row = await visibleRow(transaction, request, 'volume_snapshot', source.snapshotId);
    if (row.operation_id !== null) throw notFound('Snapshot', source.snapshotId);
  }
  if (source.kind === 'snapshot' || source.kind === 'volume') {
    // It may have become another project's a moment ago.
    const row = await visibleRow(transaction, request, 'volume', source.volumeId);
    if (row.operation_kind === 'volume.delete') throw notFound('Volume', source.volumeId);
  }
}

function refuseUnknown(request: Request, wanted: Wanted): void {
  const known = new Set(Object.keys(volumeFields));
  const other = Object.keys(wanted).find((name) => !known.has(name));
  if (other !== undefined && request.version.minor >= 53)
    throw volumeFailure('schema-invalid', {
      detail: `Additional properties are not allowed ('${other}' was unexpected)`,
    });
  if (flagOf(wanted.multiattach, 'multiattach'))
    throw volumeFailure('refused', {
      why: 'multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. Contact your administrator to create a multiattach enabled volume type and use it to create multiattach volumes.',
    });
}

async function sourceOf(
  core: VolumeCore,
  request: Request,
  wanted: Wanted,
  given: Hints,
): Promise<Source> {
  const image = wanted.imageRef ?? wanted.image_id;
  const backupId = request.version.minor >= 47 ? wanted.backup_id : undefined;
  const object = given[fromObjectName];
  const asOf = given[asOfName];
  const named = [wanted.snapshot_id, wanted.source_volid, image, backupId, object].filter(Boolean);
  if (named.length > 1)
    throw volumeFailure('refused', {
      why: 'May specify only one of snapshot, source volume, image or backup!',
    });
  if (wanted.snapshot_id) return fromSnapshot(core, request, wanted.snapshot_id);
  if (wanted.source_volid) return fromVolume(core, request, wanted.source_volid, asOf);
  if (asOf !== undefined)
    throw volumeFailure('invalid-input', { why: `${asOfName} needs a source volume.` });
  if (object !== undefined) return fromObject(core, request, object);
  if (image) return fromImage(core, request, image);
  if (backupId) return fromBackup(core, request, backupId);
  return { input: { kind: 'empty' }, kind: 'volume.create', row: {} };
}

async function fromSnapshot(core: VolumeCore, request: Request, id: string): Promise<Source> {
  const snapshot = await visibleRow(core.db, request, 'volume_snapshot', id);
  if (snapshot.made === 0 || snapshot.operation_id !== null)
    throw volumeFailure('invalid-snapshot', {
      why: "Originating snapshot status must be one of 'available' values",
    });
  const volume = await visibleRow(core.db, request, 'volume', snapshot.volume_id);
  return {
    input: { kind: 'snapshot', volumeId: snapshot.volume_id, snapshotId: id },
    kind: 'volume.create',
    gib: snapshot.size_gib,
    typeId: volume.type_id,
    row: { snapshot_id: id, ...inherited(volume) },
  };
}

async function fromVolume(
  core: VolumeCore,
  request: Request,
  id: string,
  asOf: string | undefined,
): Promise<Source> {
  const volume = await visibleRow(core.db, request, 'volume', id);
  const { status } = await factsOf(core.db, volume);
  if (status !== 'available' && status !== 'in-use')
    throw volumeFailure('invalid-volume', {
      why: "Originating volume status must be one of 'available, in-use' values",
    });
  const when = asOf === undefined ? {} : { atMs: await keptInstant(core, id, asOf) };
  return {
    input: { kind: 'volume', volumeId: id, ...when },
    kind: 'volume.create',
    gib: volume.size_gib,
    typeId: volume.type_id,
    row: { source_volid: id, ...inherited(volume) },
  };
}

async function fromObject(core: VolumeCore, request: Request, uri: string): Promise<Source> {
  const object = await findObject(core, request, uri);
  return {
    input: { kind: 'object', object: { ...object, isManifest: object.isManifest === true } },
    // Where its blobs cannot be shared they are copied, and that takes its time.
    kind: 'volume.download',
    gib: Math.ceil(object.sizeBytes / 2 ** 30),
    row: {},
  };
}

/** What a copy takes over from what it is a copy of. */
function inherited(volume: VolumeRow): Partial<VolumeRow> {
  return {
    bootable: volume.bootable,
    image_metadata_json: volume.image_metadata_json,
    encryption_key_id: volume.encryption_key_id,
  };
}

async function fromImage(core: VolumeCore, request: Request, ref: string): Promise<Source> {
  const id = ref.split('/').at(-1) ?? ref;
  const image = await findImage(core, request, id);
  return {
    input: { kind: 'image', imageId: id },
    kind: 'volume.download',
    gib: Math.max(Math.ceil(image.virtualBytes / 2 ** 30), image.minDiskGib),
    image,
    row: { bootable: 1, image_metadata_json: JSON.stringify(imageMetadata(image)) },
  };
}

export async function findImage(
  core: VolumeCore,
  request: Request,
  id: string,
): Promise<ImageSource> {
  try {
    return await core.images.find(id, callerOf(request).token);
  } catch (error) {
    if (isFailure(error) && error.kind === 'missing')
      throw volumeFailure('refused', {
        why: `Invalid image identifier or unable to access requested image: ${id}`,
      });
    if (isFailure(error) && error.kind === 'conflict')
      throw volumeFailure('invalid-input', { why: `Image ${id} is not active.` });
    throw error;
  }
}

export function imageMetadata(image: ImageSource): Record<string, string> {
  return {
    ...image.properties,
    image_id: image.id,
    image_name: image.name,
    checksum: image.checksum ?? '',
    container_format: image.containerFormat,
    disk_format: image.diskFormat,
    min_disk: String(image.minDiskGib),
    min_ram: String(image.minRamMib),
    size: String(image.sizeBytes),
  };
}

async function fromBackup(core: VolumeCore, request: Request, id: string): Promise<Source> {
  const backup = await visibleRow(core.db, request, 'volume_backup', id);
  if (backup.record_json === null || backup.operation_id !== null)
    throw volumeFailure('invalid-backup', {
      why: 'Backup status must be available to be used for creating a volume.',
    });
  return {
    input: { kind: 'backup', backupId: id },
    kind: 'volume.restore',
    gib: backup.size_gib,
    row: {
      ...restoredColumns(backup.volume_json),
      encryption_key_id: backup.encryption_key_id,
    },
  };
}

async function typeOf(
  core: VolumeCore,
  request: Request,
  wanted: Wanted,
  source: Source,
  projectId: string,
): Promise<TypeRow> {
  const asked = wanted.volume_type;
  if (asked) return await visibleType(core.db, request, asked);
  if (source.typeId !== undefined) {
    const same = await findType(core.db, source.typeId);
    if (same !== undefined) return same;
  }
  return await defaultType(core, projectId);
}

function rowOf(
  core: VolumeCore,
  request: Request,
  wanted: Wanted,
  source: Source,
  type: TypeRow,
): VolumeRow {
  const sizeGib = sizeOf(wanted, source);
  const zone = wanted.availability_zone ?? core.settings.zone;
  if (zone !== core.settings.zone && zone !== '')
    throw volumeFailure('invalid-input', { why: `Availability zone '${zone}' is invalid.` });
  const encrypted = encryptionOf(type) !== undefined || Boolean(source.row.encryption_key_id);
  const id = core.newId();
  const now = core.clock.nowUs();
  return {
    id,
    project_id: projectOf(request),
    user_id: callerOf(request).userId,
    name: fields.trimmed(wanted.name ?? wanted.display_name),
    description: fields.trimmed(wanted.description ?? wanted.display_description),
    size_gib: sizeGib,
    type_id: type.id,
    zone: core.settings.zone,
    bootable: 0,
    multiattach: typeAllowsMultiattach(type) ? 1 : 0,
    readonly: 0,
    metadata_json: JSON.stringify(wanted.metadata ?? {}),
    image_metadata_json: '{}',
    snapshot_id: null,
    source_volid: null,
    group_id: null,
    created_at_us: now,
    updated_at_us: now,
    made: 0,
    operation_id: null,
    operation_kind: null,
    failure: null,
    ...source.row,
    // What was asked for goes before what the source says.
    ...(wanted.metadata ? { metadata_json: JSON.stringify(wanted.metadata) } : {}),
    // A backup is sealed with its own volume's key, and so is what is restored from it.
    encryption_key_id:
      source.input.kind === 'backup'
        ? (source.row.encryption_key_id ?? null)
        : encrypted
          ? core.newId()
          : null,
  };
}

function sizeOf(wanted: Wanted, source: Source): number {
  const asked =
    wanted.size === undefined || wanted.size === null ? undefined : fields.gibOf(wanted.size);
  if (asked === undefined) {
    if (source.gib !== undefined && source.image === undefined) return source.gib;
    throw volumeFailure('invalid-input', {
      why: 'Invalid volume size provided for create request: None (size argument must be an integer (or string representation of an integer) and greater than zero).',
    });
  }
  if (source.gib === undefined || asked >= source.gib) return asked;
  if (source.image !== undefined)
    throw volumeFailure('invalid-input', {
      why: `Size of specified image ${source.gib}GB is larger than volume size ${asked}GB.`,
    });
  throw volumeFailure('invalid-input', {
    why: `Volume size '${asked}GB' cannot be smaller than the source's size ${source.gib}GB. They must be >= original size.`,
  });
}
