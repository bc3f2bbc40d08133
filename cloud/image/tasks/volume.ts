/** Makes a volume of a content: what a guest would see of the image, once for all images with the same bytes. */
import { createHash } from 'node:crypto';
import { Failure } from '#common';
import { openContent } from '../content/contents.ts';
import type { StoredContent } from '../content/interfaces.ts';
import type { Converter } from '../content/qemu-img.ts';
import type { ImageCore } from '../core.ts';
import { imageFailure } from '../failures.ts';
import type { ContentFormat } from '../formats/inspection.ts';
import { ImageInspector } from '../formats/inspector.ts';
import { OvaChecker } from '../formats/ova.ts';
import type { ContentRow } from '../tables.ts';

const tools: Partial<Record<ContentFormat, 'qcow2' | 'vdi' | 'vpc' | 'vhdx' | 'vmdk'>> = {
  qcow2: 'qcow2',
  vdi: 'vdi',
  vhd: 'vpc',
  vhdx: 'vhdx',
  vmdk: 'vmdk',
};

const sectorBytes = 512;

export interface MadeVolume {
  readonly volumeId: string;
  /** The volume reads, from its start, as the very bytes of the image. */
  readonly holdsBytes: boolean;
}

/** Nothing when the content is gone or has its volume. May be repeated: a half-made volume is made anew. */
export async function makeVolume(
  core: ImageCore,
  converter: Converter,
  contentId: string,
  signal: AbortSignal,
): Promise<MadeVolume | undefined> {
  const content = await core.db
    .selectFrom('image_content')
    .selectAll()
    .where('id', '=', contentId)
    .executeTakeFirst();
  if (content?.state !== 'stored' || content.volume_state !== 'wanted') return undefined;
  const stored = await openContent(core, contentId);
  const make = (sizeBytes: number, bytes: AsyncIterable<Buffer>) =>
    volumesOf(core).ensure({ id: contentId, sizeBytes: roundUp(sizeBytes), bytes });
  const disk = await diskOf(core, content, stored);
  const tool = tools[disk.format];
  if (tool === undefined) {
    const volumeId = await make(disk.sizeBytes, stored.read(disk.offset, disk.bytes));
    return { volumeId, holdsBytes: await holds(core, content) };
  }
  const diskBytes = roundUp(disk.sizeBytes);
  const job = { id: contentId, format: tool, diskBytes, signal };
  const bytes = stored.read(disk.offset, disk.bytes);
  const volumeId = await converter.convert({ ...job, bytes }, (raw) => make(diskBytes, raw));
  return { volumeId, holdsBytes: false };
}

/** Read back and hashed before the object it was made of may go. */
async function holds(core: ImageCore, content: ContentRow): Promise<boolean> {
  if (content.format !== 'raw' && content.format !== 'iso') return false;
  const volume = await volumesOf(core).open(content.id);
  const sha512 = createHash('sha512');
  for await (const chunk of volume.read(0, content.size ?? 0)) sha512.update(chunk);
  return sha512.digest('hex') === content.sha512;
}

function volumesOf(core: ImageCore) {
  if (core.volumes === undefined)
    throw new Failure('bug', 'no-volumes', 'Volumes are made where there are none');
  return core.volumes;
}

const roundUp = (bytes: number) => Math.ceil(bytes / sectorBytes) * sectorBytes;

interface Disk {
  readonly format: ContentFormat;
  /** What a guest sees. */
  readonly sizeBytes: number;
  /** Where in the content the disk's file lies. */
  readonly offset: number;
  readonly bytes: number;
}

async function diskOf(core: ImageCore, content: ContentRow, stored: StoredContent): Promise<Disk> {
  // Written by our own inspector when the bytes came.
  const format = (content.format ?? 'raw') as ContentFormat;
  const sizeBytes = content.virtual_size ?? stored.sizeBytes;
  const whole = { format, sizeBytes, offset: 0, bytes: stored.sizeBytes };
  return format === 'ova' ? await diskInside(core, stored) : whole;
}

/** The one disk of an OVA, inspected for itself: the description only promised what it would be. */
async function diskInside(core: ImageCore, stored: StoredContent): Promise<Disk> {
  const limits = { virtualBytesMax: core.settings.virtualBytesMax };
  const archive = new OvaChecker(limits);
  for await (const chunk of stored.read(0, stored.sizeBytes)) archive.feed(chunk);
  const promised = archive.finish(stored.sizeBytes);
  const member = archive.members.find(({ name }) => name === promised.detail);
  if (member === undefined)
    throw imageFailure('image-refused', { format: 'ova', reason: 'its disk is missing' });
  const inspector = new ImageInspector(limits);
  for await (const chunk of stored.read(member.offset, member.bytes)) inspector.feed(chunk);
  const found = inspector.finish();
  if (found.virtualBytes > promised.virtualBytes)
    throw imageFailure('image-refused', {
      format: 'ova',
      reason: 'its disk is larger than its description says',
    });
  return {
    format: found.format,
    sizeBytes: found.virtualBytes,
    offset: member.offset,
    bytes: member.bytes,
  };
}
