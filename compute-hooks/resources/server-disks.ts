/** Which disks a new server gets: its root from an image or a volume, and what its block device mapping adds. */
import Type, { type Static } from 'typebox';
import { isFailure } from '#common';
import { flagOf, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import type { FlavorFacts } from '../flavor-facts.ts';
import type { BootImage } from '../neighbours.ts';
import { findImage } from './create-server.ts';

export const blockDevice = fields.object({
  source_type: Type.Optional(Type.Enum(['volume', 'image', 'snapshot', 'blank'])),
  destination_type: Type.Optional(Type.Enum(['local', 'volume'])),
  uuid: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  image_id: fields.optional(fields.text),
  volume_id: fields.optional(fields.text),
  snapshot_id: fields.optional(fields.text),
  volume_size: fields.optional(fields.count(0)),
  device_name: fields.optional(fields.text),
  virtual_name: fields.optional(fields.text),
  delete_on_termination: Type.Optional(fields.flag),
  no_device: fields.optional(Type.Union([fields.flag, Type.Object({})])),
  guest_format: fields.optional(fields.text),
  device_type: fields.optional(fields.text),
  disk_bus: fields.optional(fields.text),
  boot_index: fields.optional(Type.Union([Type.Integer(), Type.String({ pattern: '^-?[0-9]+$' })])),
  tag: fields.optional(Type.String({ minLength: 1, maxLength: 60 })),
  volume_type: fields.optional(fields.text),
});
type Mapping = Static<typeof blockDevice>;

export interface DiskWish {
  readonly kind: 'root' | 'ephemeral' | 'swap' | 'volume';
  readonly volumeId: string | undefined;
  readonly device: string;
  readonly bootIndex: number | null;
  readonly sizeGib: number;
  readonly sourceId: string | null;
  readonly deleteOnTermination: boolean;
  readonly tag: string | null;
  /** The volume that is to be made for it. */
  readonly newVolume?: NewVolume;
}

/** As the volume service is asked for it. */
export interface NewVolume {
  readonly size?: number;
  readonly imageRef?: string;
  readonly snapshot_id?: string;
  readonly volume_type?: string;
}

export interface DiskPlan {
  readonly projectId: string;
  readonly flavor: FlavorFacts;
  readonly image: BootImage | undefined;
  readonly mapped: readonly Mapping[];
  readonly many: boolean;
}

const gib = 2 ** 30;

export async function disksFor(
  core: ComputeCore,
  request: Request,
  plan: DiskPlan,
): Promise<DiskWish[]> {
  const wishes: Omit<DiskWish, 'device'>[] = [];
  let root = false;
  for (const mapping of plan.mapped) {
    const bootIndex = bootIndexOf(mapping);
    if (bootIndex === 0) {
      if (root)
        throw refused(
          'Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.',
        );
      root = true;
    }
    wishes.push({ ...(await wishOf(core, request, plan, mapping)), bootIndex });
  }
  if (!root && plan.image !== undefined) wishes.unshift(rootWish(plan.flavor, plan.image));
  else if (!root)
    throw refused(
      plan.mapped.length === 0
        ? 'Invalid imageRef provided.'
        : 'Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.',
    );
  const { flavor } = plan;
  if (flavor.ephemeralGib > 0 && !wishes.some(({ kind }) => kind === 'ephemeral'))
    wishes.push(blank('ephemeral', flavor.ephemeralGib));
  if (flavor.swapMib > 0 && !wishes.some(({ kind }) => kind === 'swap'))
    wishes.push(blank('swap', Math.ceil(flavor.swapMib / 1024)));
  // The disk that is booted from is the first that the guest sees.
  const ordered = wishes.toSorted((a, b) => Number(b.bootIndex === 0) - Number(a.bootIndex === 0));
  if (ordered.length > letters.length) throw refused('Too many block devices.');
  return ordered.map((wish, at) => ({ ...wish, device: `vd${letters[at]}` }));
}

export const letters = 'abcdefghijklmnopqrstuvwxyz';

function bootIndexOf(mapping: Mapping): number | null {
  if (mapping.boot_index !== undefined && mapping.boot_index !== null)
    return Number(mapping.boot_index);
  // The older form names devices instead: the first is the one to boot from.
  const older = mapping.source_type === undefined && mapping.volume_id != null;
  return older && /(^|\/)(vda|sda|hda)$/.test(mapping.device_name ?? '') ? 0 : null;
}

export function rootWish(flavor: FlavorFacts, image: BootImage): Omit<DiskWish, 'device'> {
  refuseUnfit(flavor, image);
  const least = Math.max(1, Math.ceil(image.virtualBytes / gib), image.minDiskGib);
  return {
    kind: 'root',
    volumeId: undefined,
    bootIndex: 0,
    sizeGib: flavor.diskGib === 0 ? least : flavor.diskGib,
    sourceId: image.volumeId,
    deleteOnTermination: true,
    tag: null,
  };
}

export function refuseUnfit(flavor: FlavorFacts, image: BootImage): void {
  if (flavor.memoryMib < image.minRamMib)
    throw refused("Flavor's memory is too small for requested image.");
  if (flavor.diskGib === 0) return;
  if (image.minDiskGib > flavor.diskGib)
    throw refused(
      `Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is ${flavor.diskGib * gib} bytes, minimum size is ${image.minDiskGib * gib} bytes.`,
    );
  if (image.virtualBytes > flavor.diskGib * gib)
    throw refused(
      `Flavor's disk is too small for requested image. Flavor disk is ${flavor.diskGib * gib} bytes, image is ${image.virtualBytes} bytes.`,
    );
}

function blank(kind: 'ephemeral' | 'swap', sizeGib: number): Omit<DiskWish, 'device'> {
  return {
    kind,
    volumeId: undefined,
    bootIndex: null,
    sizeGib,
    sourceId: null,
    deleteOnTermination: true,
    tag: null,
  };
}

async function wishOf(
  core: ComputeCore,
  request: Request,
  plan: DiskPlan,
  mapping: Mapping,
): Promise<Omit<DiskWish, 'device'>> {
  const source =
    mapping.source_type ??
    (mapping.volume_id ? 'volume' : mapping.snapshot_id ? 'snapshot' : 'blank');
  const target =
    mapping.destination_type ?? (source === 'volume' || source === 'snapshot' ? 'volume' : 'local');
  const size = mapping.volume_size == null ? undefined : Number(mapping.volume_size);
  const tag = mapping.tag ?? null;
  if (source === 'image' && target === 'local') {
    const image = plan.image ?? (await findImage(core, request, mapping.uuid ?? ''));
    return { ...rootWish(plan.flavor, image), tag };
  }
  if (source === 'blank' && target === 'local') {
    const isSwap = mapping.guest_format === 'swap';
    const most = isSwap ? Math.ceil(plan.flavor.swapMib / 1024) : plan.flavor.ephemeralGib;
    if (size !== undefined && size > most)
      throw refused(
        `Block Device Mapping is Invalid: ${isSwap ? 'Swap drive' : 'Ephemeral disks'} requested ${isSwap ? 'is' : 'are'} larger than instance type allows.`,
      );
    return { ...blank(isSwap ? 'swap' : 'ephemeral', size ?? most), tag };
  }
  if (source === 'volume' && target === 'volume') {
    if (plan.many)
      throw refused(
        'Block Device Mapping is Invalid: One volume cannot be attached to several servers.',
      );
    return await volumeWish(core, plan.projectId, mapping, tag);
  }
  if (target === 'volume' && source !== 'volume')
    return await newVolumeWish(core, request, plan, { mapping, source, size, tag });
  throw refused(`Block Device Mapping is Invalid: ${source} cannot become ${target}.`);
}

/** A volume out of an image or a snapshot, or an empty one, made with the server. */
async function newVolumeWish(
  core: ComputeCore,
  request: Request,
  plan: DiskPlan,
  asked: {
    readonly mapping: Mapping;
    readonly source: 'image' | 'snapshot' | 'blank';
    readonly size: number | undefined;
    readonly tag: string | null;
  },
): Promise<Omit<DiskWish, 'device'>> {
  const { mapping, source, size, tag } = asked;
  if (source !== 'snapshot' && !size)
    throw refused(
      source === 'image'
        ? "Block Device Mapping is Invalid: Images with destination_type 'volume' need to have a non-zero size specified"
        : "Block Device Mapping is Invalid: Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size",
    );
  if (source === 'blank' && bootIndexOf(mapping) === 0)
    throw refused('Block Device Mapping is Invalid: An empty volume cannot be booted from.');
  const image =
    source === 'image'
      ? await findImage(core, request, mapping.uuid ?? mapping.image_id ?? plan.image?.id ?? '')
      : undefined;
  const newVolume: NewVolume = {
    ...(size ? { size } : {}),
    ...(image === undefined ? {} : { imageRef: image.id }),
    ...(source === 'snapshot' ? { snapshot_id: mapping.uuid ?? mapping.snapshot_id ?? '' } : {}),
    ...(mapping.volume_type ? { volume_type: mapping.volume_type } : {}),
  };
  const deleteOnTermination = flagOf(mapping.delete_on_termination, 'delete_on_termination');
  return { ...blank('ephemeral', size ?? 0), kind: 'volume', deleteOnTermination, tag, newVolume };
}

async function volumeWish(
  core: ComputeCore,
  projectId: string,
  mapping: Mapping,
  tag: string | null,
): Promise<Omit<DiskWish, 'device'>> {
  const id = mapping.uuid ?? mapping.volume_id ?? '';
  const volume = await findVolume(core, projectId, id);
  if (volume.status !== 'available' && !(volume.multiattach && volume.status === 'in-use'))
    throw refused(
      `Block Device Mapping is Invalid: volume ${id} is ${volume.status}, not available.`,
    );
  if (bootIndexOf(mapping) === 0 && !volume.bootable)
    throw refused(`Block Device ${id} is not bootable.`);
  return {
    kind: 'volume',
    volumeId: volume.id,
    bootIndex: null,
    sizeGib: volume.sizeGib,
    sourceId: null,
    deleteOnTermination: flagOf(mapping.delete_on_termination, 'delete_on_termination'),
    tag,
  };
}

export async function findVolume(core: ComputeCore, projectId: string, id: string) {
  if (core.volumes === undefined)
    throw computeFailure('not-implemented', { what: 'Attaching volumes' });
  try {
    return await core.volumes.find(id, projectId);
  } catch (error) {
    if (isFailure(error, 'missing'))
      throw computeFailure('missing', { why: `Volume ${id} could not be found.` }, error);
    throw error;
  }
}
